//! [`HttpDate`]: a moment as headers tell it, to the nanosecond where the other side does so.

use std::fmt;
use std::ops::Deref;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const SECONDS_OF_DAY: u64 = 24 * 60 * 60;

/// A date of HTTP (RFC 9110, section 5.6.7) with nine digits behind the seconds, as galaxycache
/// writes it: `Sun, 06 Nov 1994 08:49:37.000000000 GMT`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HttpDate([u8; LENGTH]);

const LENGTH: usize = "Sun, 06 Nov 1994 08:49:37.000000000 GMT".len();

impl HttpDate {
    /// A moment, if it lies between the years 1970 and 9999.
    pub(crate) fn of(moment: SystemTime) -> Option<Self> {
        let since_epoch = moment.duration_since(UNIX_EPOCH).ok()?;
        let (days, second) =
            (since_epoch.as_secs() / SECONDS_OF_DAY, since_epoch.as_secs() % SECONDS_OF_DAY);
        let (year, month, day) = civil_of(days);
        if year > 9999 {
            return None;
        }
        let text = format!(
            "{}, {day:02} {} {year:04} {:02}:{:02}:{:02}.{:09} GMT",
            DAYS[(days % 7) as usize],
            MONTHS[month - 1],
            second / 3600,
            second / 60 % 60,
            second % 60,
            since_epoch.subsec_nanos(),
        );
        text.as_bytes().try_into().ok().map(Self)
    }
}

impl Deref for HttpDate {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Reads the usual form of a date, with digits behind the seconds or without; `None` where that is
/// none. All that lies before 1970 is past, and read as the beginning of it.
pub(crate) fn read(text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    let (weekday, rest) = text.split_once(", ")?;
    let rest = rest.strip_suffix(" GMT")?;
    let mut parts = rest.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !DAYS.contains(&weekday) {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let (day, year) = (number(day, 2)?, number(year, 4)?);
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) => (time, nanos(fraction)?),
        None => (time, 0),
    };
    let mut parts = time.split(':');
    let mut part = |end: u64| number(parts.next()?, 2).filter(|number| *number < end);
    let (hour, minute, second) = (part(24)?, part(60)?, part(60)?);
    if parts.next().is_some() || !(1..=31).contains(&day) {
        return None;
    }
    if year < 1970 {
        return Some(UNIX_EPOCH);
    }
    let days = days_of(year, month, day);
    // A day that the month does not have would be one of the next month.
    if civil_of(days) != (year, month as usize, day) {
        return None;
    }
    let seconds = days * SECONDS_OF_DAY + hour * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::new(seconds, fraction))
}

/// A number of so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// The digits behind a point, in nanoseconds. Digits past the ninth are left out.
fn nanos(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nine = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some(nine.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0')))
}

/// How many days lie between 1970 and a date. The year is taken to begin in March, so that the day
/// that only some years have is its last one.
fn days_of(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_years = year * 365 + year / 4 - year / 100 + year / 400;
    // Months from March on have 31, 30, 31, 30, 31 days, again and again.
    let of_months = (153 * month + 2) / 5;
    of_years + of_months + day - 1 - FROM_YEAR_0_TO_1970
}

/// Days from the first of March of the year 0 to the first of January 1970.
const FROM_YEAR_0_TO_1970: u64 = 719_468;

/// The year, the month from 1 on, and the day that is so many days after the first of 1970.
fn civil_of(days: u64) -> (u64, usize, u64) {
    /// Days of 400, 100 and 4 years.
    const LONG: [u64; 3] = [146_097, 36_524, 1_461];
    let days = days + FROM_YEAR_0_TO_1970;
    let (era, day) = (days / LONG[0], days % LONG[0]);
    let year = (day - day / (LONG[2] - 1) + day / LONG[1] - day / (LONG[0] - 1)) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year, month as usize);
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanos: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, nanos)
    }

    #[test]
    fn dates_are_written_and_read_to_the_nanosecond() {
        for (seconds, nanos, text) in [
            (0, 0, "Thu, 01 Jan 1970 00:00:00.000000000 GMT"),
            (784_111_777, 0, "Sun, 06 Nov 1994 08:49:37.000000000 GMT"),
            (951_782_400, 1, "Tue, 29 Feb 2000 00:00:00.000000001 GMT"),
            (1_709_251_199, 999_999_999, "Thu, 29 Feb 2024 23:59:59.999999999 GMT"),
            (4_107_542_400, 120, "Mon, 01 Mar 2100 00:00:00.000000120 GMT"),
            (253_402_300_799, 0, "Fri, 31 Dec 9999 23:59:59.000000000 GMT"),
        ] {
            let date = HttpDate::of(at(seconds, nanos)).unwrap();
            assert_eq!(format!("{date:?}"), text);
            assert_eq!(read(text.as_bytes()), Some(at(seconds, nanos)));
        }
        assert_eq!(HttpDate::of(at(253_402_300_800, 0)), None);
        assert_eq!(HttpDate::of(UNIX_EPOCH - Duration::from_secs(1)), None);
    }

    #[test]
    fn every_day_of_some_centuries_comes_back() {
        for day in (0..200_000).step_by(7).chain(10_900..11_400) {
            let moment = at(day * SECONDS_OF_DAY, 5);
            assert_eq!(read(&HttpDate::of(moment).unwrap()), Some(moment), "day {day}");
        }
    }

    #[test]
    fn digits_behind_the_seconds_may_be_any_or_none() {
        for (text, nanos) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37.5 GMT", 500_000_000),
            ("Sun, 06 Nov 1994 08:49:37.1234567899 GMT", 123_456_789),
        ] {
            assert_eq!(read(text.as_bytes()), Some(at(784_111_777, nanos)), "{text}");
        }
    }

    #[test]
    fn what_ended_before_1970_has_ended() {
        for text in [
            "Thu, 06 Nov 1969 08:49:37 GMT",
            // Five minutes after the zero of Go's times.
            "Mon, 01 Jan 0001 00:05:00.000000000 GMT",
            "Sat, 01 Jan 0000 00:00:00 GMT",
        ] {
            assert_eq!(read(text.as_bytes()), Some(UNIX_EPOCH), "{text}");
        }
        assert_eq!(read(b"Mon, 00 Jan 0001 00:05:00 GMT"), None);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "-1",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37. GMT",
            "Sun, 06 Nov 1994 08:49:37.x GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:00 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sol, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(read(b"Sun, 06 Nov 1994 08:49:37 \xff"), None);
    }
}
