//! Numbers, times and keys as people read them, and the other way round.

use std::time::Duration;

const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// `630 B`, `1.2 KiB`, `31 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut number = bytes as f64 / 1024.0;
    let mut unit = 0;
    while number >= 1023.5 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    format!("{} {}", digits(number), UNITS[unit])
}

/// `47 µs`, `1.3 ms`, `2 s`, `3 min 10 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn time(time: Duration) -> String {
    let (micros, seconds) = (time.as_micros(), time.as_secs());
    let two = |large: u64, large_unit, small: u64, small_unit| match small {
        0 => format!("{large} {large_unit}"),
        small => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match (micros, seconds) {
        (..1_000, _) => format!("{micros} µs"),
        (..1_000_000, _) => format!("{} ms", digits(micros as f64 / 1e3)),
        (_, ..60) if micros % 1_000_000 == 0 => format!("{seconds} s"),
        (_, ..60) => format!("{} s", digits(micros as f64 / 1e6)),
        (_, ..3_600) => two(seconds / 60, "min", seconds % 60, "s"),
        (_, ..86_400) => two(seconds / 3_600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    }
}

/// Two or three digits that count: `1.3`, `31`, `712`.
fn digits(number: f64) -> String {
    if number < 9.95 { format!("{number:.1}") } else { format!("{number:.0}") }
}

/// `1,203`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Something per second: `0`, `0.4`, `12`, `1,203`, `48.2k`, `1.2M`.
pub(crate) fn rate(number: f64) -> String {
    match number {
        ..0.05 => "0".to_owned(),
        ..9.95 => format!("{number:.1}"),
        ..9_999.5 => count(number.round() as u64),
        ..999_950.0 => format!("{:.1}k", number / 1e3),
        _ => format!("{:.1}M", number / 1e6),
    }
}

/// `93.4 %`; a dash where there is nothing yet.
pub(crate) fn percent(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| NOTHING.to_owned(), |ratio| format!("{:.1} %", ratio * 100.0))
}

/// What stands where there is nothing to tell.
pub(crate) const NOTHING: &str = "–";

/// `1 peer`, `3 peers`.
pub(crate) fn plural(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The text with what would move the cursor made visible: a key may hold anything.
pub(crate) fn printable(text: &str) -> String {
    let is_shown = |c: char| !c.is_control() && !is_direction(c);
    if text.chars().all(is_shown) {
        return text.to_owned();
    }
    let show = |c: char| if is_shown(c) { c.to_string() } else { c.escape_default().to_string() };
    text.chars().map(show).collect()
}

/// A peer's URL without its scheme, which can be left out everywhere.
pub(crate) fn short(url: &str) -> String {
    printable(url.split_once("://").map_or(url, |(_, rest)| rest))
}

/// Whether it turns the direction of text round.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How many columns of a terminal the text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

fn width_of(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// The text cut to so many columns; what is cut off leaves `…`.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut fitted = String::new();
    let mut left = columns.saturating_sub(1);
    for c in text.chars() {
        let Some(rest) = left.checked_sub(width_of(c)) else { break };
        left = rest;
        fitted.push(c);
    }
    if columns > 0 {
        fitted.push('…');
    }
    fitted
}

/// Reads `500ms`, `2s`, `10m`, `1h`, `1d`; a bare number is seconds.
pub(crate) fn read_time(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

/// Reads `100`, `4KiB`, `1MiB`; `K` and `M` are the same.
pub(crate) fn read_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "B" => 1.0,
        "K" | "KiB" => 1024.0,
        "M" | "MiB" => 1024.0 * 1024.0,
        "G" | "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some((number * factor) as u64)
}

fn split(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// Bytes as base64, for values that are no text.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at > three.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_units() {
        assert_eq!([0, 1023, 1024, 1 << 20].map(bytes), ["0 B", "1023 B", "1.0 KiB", "1.0 MiB"]);
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!(bytes(u64::MAX), "16384 PiB");
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let rates = [0.0, 0.4, 12.3, 9999.4, 48_200.0, 1e6].map(rate);
        assert_eq!(rates, ["0", "0.4", "12", "9,999", "48.2k", "1.0M"]);
        assert_eq!((percent(Some(0.934)), percent(None)), ("93.4 %".into(), "–".into()));
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        let shown = ["47ms", "1.3s", "190s", "2h", "3d"].map(|text| time(read_time(text).unwrap()));
        assert_eq!(shown, ["47 ms", "1.3 s", "3 min 10 s", "2 h", "3 d"]);
        assert_eq!(time(Duration::from_micros(47)), "47 µs");
        assert_eq!(read_time("2"), Some(Duration::from_secs(2)));
        for wrong in ["", "s", "-1s", "1x", "1e400s", "9999999999999999999999h", "nan"] {
            assert_eq!(read_time(wrong), None, "{wrong}");
        }
        assert_eq!(
            [read_bytes("4KiB"), read_bytes("1.5K"), read_bytes("x")],
            [Some(4096), Some(1536), None]
        );
    }

    #[test]
    fn a_key_can_not_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(printable("\u{202e}你好"), "\\u{202e}你好");
    }

    #[test]
    fn text_is_cut_by_columns_and_not_by_bytes() {
        assert_eq!((width("你好"), width("e\u{301}")), (4, 1));
        assert_eq!(
            (fit("你好吗", 5), fit("abc", 3), fit("abc", 2)),
            ("你好…".into(), "abc".into(), "a…".into())
        );
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let texts = ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes()));
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }
}
