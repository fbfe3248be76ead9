//! Links within the repository, and pictures within pages.

use std::fs;
use std::path::{Path, PathBuf};

use super::assert_none;
use super::source::{Source, crate_sources};

const TEXTS: &[&str] = &[
    "README.md",
    "CHANGELOG.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
    "benches/fuzz/README.md",
    "examples/grafana/README.md",
    "examples/mixed_cluster/README.md",
    "examples/shop/README.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn links_lead_to_files_that_there_are() {
    let mut offences = Vec::new();
    for text in TEXTS {
        let content = fs::read_to_string(root().join(text)).unwrap();
        let folder = root().join(text).parent().map(PathBuf::from).unwrap_or_default();
        for target in targets(&content).filter(|target| !is_elsewhere(target)) {
            if !folder.join(target).exists() {
                offences.push(format!("{text}: {target}"));
            }
        }
    }
    assert_none("name a file that exists", &offences);
}

#[test]
fn pages_that_the_guide_lists_exist() {
    let is_text = |source: &&Source| source.is_root() || source.path.starts_with("guide");
    let is_page = |path: &str| crate_sources().iter().any(|source| source.path == path);
    let mut offences = Vec::new();
    for source in crate_sources().iter().filter(is_text) {
        for line in &source.lines {
            for target in targets(line).filter_map(|target| target.strip_suffix("/index.html")) {
                if !is_page(&format!("guide/{}.rs", target.trim_start_matches("guide/"))) {
                    offences.push(format!("src/{}: {target}", source.path));
                }
            }
        }
    }
    assert_none("name a page that exists", &offences);
}

#[test]
fn pictures_can_stand_in_a_page_and_follow_its_theme() {
    let mut offences = Vec::new();
    for entry in fs::read_dir(root().join("src/guide/pictures")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "svg") {
            let picture = fs::read_to_string(&path).unwrap();
            let themes = ["prefers-color-scheme: dark", "[data-theme=light]", "[data-theme=dark]"];
            // An empty line would end the picture, and begin a paragraph.
            let is_whole = picture.starts_with("<svg ") && picture.lines().all(|it| !it.is_empty());
            if !is_whole || !themes.iter().all(|theme| picture.contains(theme)) {
                offences.push(path.display().to_string());
            }
        }
    }
    assert_none("let it begin with <svg, without empty lines, with both themes", &offences);
}

/// What stands in the round brackets of Markdown's links, without a place within the page.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let rest = text.split("](").skip(1);
    let target = rest.filter_map(|rest| rest.split([')', '#', ' ']).next());
    target.filter(|target| !target.is_empty())
}

fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

mod tests {
    use super::*;

    #[test]
    fn targets_of_links_and_of_images_are_found() {
        let text = "[a](b.md) ![c](d/e.svg) [f](https://g) [h](i.md#j) [k](#l)\n[m](n \"o\")";
        let found: Vec<_> = targets(text).filter(|target| !is_elsewhere(target)).collect();
        assert_eq!(found, ["b.md", "d/e.svg", "i.md", "n"]);
    }
}

#[test]
fn readme_and_the_guide_name_all_pages() {
    for list in ["README.md", "src/guide.rs"] {
        let text = fs::read_to_string(root().join(list)).unwrap();
        let pages = crate_sources().iter().filter_map(|source| {
            let page = source.path.strip_prefix("guide/")?.strip_suffix(".rs")?;
            (!text.contains(&format!("`{page}`"))).then(|| format!("{list}: {page}"))
        });
        assert_none("name each page of the guide", &pages.collect::<Vec<_>>());
    }
}
