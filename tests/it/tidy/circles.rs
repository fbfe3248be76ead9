//! No two files use each other, be it by way of others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::assert_none;
use super::graph::{Graph, Use};
use super::source::{Source, both_crates};

#[test]
fn no_two_files_use_each_other() {
    for sources in both_crates() {
        assert_none("files use each other in a circle", &circles(sources));
    }
}

/// The circles of files. Of circles that have files in common, only a shortest one.
fn circles(sources: &[Source]) -> Vec<String> {
    let graph = Graph::of(sources);
    let uses = graph.uses();
    let mut next = BTreeMap::<usize, BTreeSet<usize>>::new();
    for it in &uses {
        next.entry(it.user).or_default().insert(it.used);
    }
    let circle_of: BTreeMap<usize, Vec<usize>> =
        (0..sources.len()).filter_map(|file| Some((file, shortest_circle(&next, file)?))).collect();
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for file in circle_of.keys() {
        if told.contains(file) {
            continue;
        }
        let reached = reached(&next, *file);
        let knot: Vec<usize> = circle_of
            .keys()
            .copied()
            .filter(|other| reached.contains(other) && self::reached(&next, *other).contains(file))
            .collect();
        let shortest = knot.iter().map(|file| &circle_of[file]).min_by_key(|circle| circle.len());
        found.extend(shortest.map(|circle| show(&graph, &uses, circle, &knot)));
        told.extend(knot);
    }
    found
}

/// All that `file` uses, be it by way of others.
fn reached(next: &BTreeMap<usize, BTreeSet<usize>>, file: usize) -> BTreeSet<usize> {
    let (mut reached, mut queue) = (BTreeSet::new(), vec![file]);
    while let Some(file) = queue.pop() {
        let new = next.get(&file).into_iter().flatten().filter(|used| reached.insert(**used));
        queue.extend(new);
    }
    reached
}

/// A shortest way from `file` back to it.
fn shortest_circle(next: &BTreeMap<usize, BTreeSet<usize>>, file: usize) -> Option<Vec<usize>> {
    let (mut seen, mut queue) = (BTreeSet::new(), VecDeque::from([vec![file]]));
    while let Some(way) = queue.pop_front() {
        for &used in way.last().and_then(|last| next.get(last)).into_iter().flatten() {
            let longer = [&way[..], &[used]].concat();
            if used == file {
                return Some(longer);
            }
            if seen.insert(used) {
                queue.push_back(longer);
            }
        }
    }
    None
}

/// The circle in one line, the lines of code that make it, and who else is in `knot`.
fn show(graph: &Graph<'_>, uses: &[Use], circle: &[usize], knot: &[usize]) -> String {
    let names = |files: &[usize]| files.iter().map(|&file| graph.path(file)).collect::<Vec<_>>();
    let mut shown = names(circle).join(" → ");
    for step in circle.windows(2) {
        let it = uses.iter().find(|it| [it.user, it.used] == *step);
        shown.extend(it.map(|it| format!("\n      {}", graph.show(it))));
    }
    let others = knot.iter().copied().filter(|file| !circle.contains(file)).collect::<Vec<_>>();
    if !others.is_empty() {
        let others = names(&others).join(", ");
        shown.push_str(&format!("\n      in longer circles with them: {others}"));
    }
    shown
}

mod tests {
    use super::*;
    use crate::tidy::source::tree;

    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        circles(&tree("src", files))
    }

    #[test]
    fn files_that_only_use_lower_ones_make_no_circle() {
        let files = [
            ("lib.rs", "mod a; mod b; use a::A; use b::B;"),
            ("a.rs", "mod c;\npub use c::C;\nuse crate::b::B;\nstruct A;"),
            ("a/c.rs", "use super::A;\nstruct C;"),
            ("b.rs", "struct B;"),
        ];
        assert_eq!(circles_of(&files), [""; 0]);
    }

    #[test]
    fn a_circle_is_spelled_out_with_the_lines_that_make_it() {
        let files = [
            ("a.rs", "use crate::b::B;\nstruct A;"),
            ("b.rs", "struct B;\n\nfn c() { crate::c::C }"),
            ("c.rs", "use crate::{a::A, d::D};\nstruct C;"),
            ("d.rs", "struct D;"),
        ];
        let expected = "a.rs → b.rs → c.rs → a.rs\
            \n      src/a.rs:1 uses crate::b::B\
            \n      src/b.rs:3 uses crate::c::C\
            \n      src/c.rs:1 uses crate::a::A";
        assert_eq!(circles_of(&files), [expected]);
    }

    #[test]
    fn a_parent_and_its_child_can_make_a_circle() {
        let files =
            [("a.rs", "mod b;\nuse b::B;\nstruct A;"), ("a/b.rs", "use super::A;\nstruct B;")];
        assert!(circles_of(&files)[0].starts_with("a.rs → a/b.rs → a.rs\n"));
    }

    #[test]
    fn of_circles_that_hang_together_a_shortest_is_told_and_others_by_themselves() {
        let files = [
            ("a.rs", "use crate::b::B;\nstruct A;"),
            ("b.rs", "use crate::c::C;\nstruct B;"),
            ("c.rs", "use crate::{a::A, b::B};\nstruct C;"),
            ("d.rs", "use crate::e::E;\nstruct D;"),
            ("e.rs", "use crate::d::D;\nstruct E;"),
        ];
        let found = circles_of(&files);
        let first: Vec<_> = found.iter().filter_map(|circle| circle.lines().next()).collect();
        assert_eq!(first, ["b.rs → c.rs → b.rs", "d.rs → e.rs → d.rs"]);
        assert_eq!(found[0].lines().last().unwrap().trim(), "in longer circles with them: a.rs");
        assert_eq!(found[1].lines().count(), 3);
    }
}
