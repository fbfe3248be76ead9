//! How far a long command is: a bar on a terminal, and lines elsewhere. On the standard error, as
//! the standard output has the tables.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

pub struct Progress {
    /// `None` where nobody looks at it.
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn of(steps: usize) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(steps as u64);
            let template = "{bar:20} {pos}/{len}  {elapsed}  {msg}";
            bar.with_style(ProgressStyle::with_template(template).expect("the template is sound"))
        });
        Self { bar }
    }

    /// What is done now.
    pub fn begin(&self, step: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(step.to_owned());
                bar.tick();
            }
            None => eprintln!("{step} …"),
        }
    }

    /// The step is done.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
