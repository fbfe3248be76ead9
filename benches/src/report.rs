//! Tables on the terminal, or the same rows as JSON.

/// Rows under headings. The first column is text, the others are figures.
pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<(String, Vec<Option<f64>>)>,
    decimals: usize,
}

impl Table {
    pub fn new(title: impl Into<String>, columns: &[&str], decimals: usize) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self { title: title.into(), columns, rows: Vec::new(), decimals }
    }

    pub fn push(&mut self, name: impl Into<String>, figures: impl Into<Vec<Option<f64>>>) {
        self.rows.push((name.into(), figures.into()));
    }

    pub fn print(&self, json: bool) {
        if json { self.print_json() } else { self.print_text() }
    }

    fn print_text(&self) {
        println!("\n{}\n", self.title);
        let first = self.rows.iter().map(|(name, _)| name.len()).chain([self.columns[0].len()]);
        let first = first.max().unwrap_or(0);
        let widths: Vec<usize> =
            self.columns[1..].iter().map(|column| column.chars().count().max(7)).collect();
        print!("| {:first$} |", self.columns[0]);
        for (column, width) in self.columns[1..].iter().zip(&widths) {
            print!(" {column:>width$} |");
        }
        print!("\n|{:-<1$}|", "", first + 2);
        for width in &widths {
            print!("{:->1$}|", ":", width + 2);
        }
        println!();
        for (name, figures) in &self.rows {
            print!("| {name:first$} |");
            for (figure, width) in figures.iter().zip(&widths) {
                let text = figure.map_or_else(|| "-".into(), |x| self.figure(x));
                print!(" {text:>width$} |");
            }
            println!();
        }
    }

    fn figure(&self, x: f64) -> String {
        // Nobody reads the fraction of a large number.
        let decimals = if x.abs() < 1000.0 { self.decimals } else { 0 };
        format!("{x:.decimals$}")
    }

    fn print_json(&self) {
        for (name, figures) in &self.rows {
            print!("{{\"table\":{:?},{:?}:{name:?}", self.title, self.columns[0]);
            for (column, figure) in self.columns[1..].iter().zip(figures) {
                let text = figure.map_or_else(|| "null".into(), |x| format!("{x:.4}"));
                print!(",{column:?}:{text}");
            }
            println!("}}");
        }
    }
}

pub fn min(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
