//! One type, one name.

use std::collections::BTreeMap;

use super::assert_none;
use super::facts::Facts;
use super::source::{Source, both_crates};

const TYPES: &[&str] = &["struct", "enum", "union", "trait", "type"];

#[test]
fn no_two_types_share_a_name() {
    for sources in both_crates() {
        assert_none("types share a name", &shared_names(sources));
    }
}

fn shared_names(sources: &[Source]) -> Vec<String> {
    let mut places = BTreeMap::<String, Vec<String>>::new();
    for source in sources {
        let items = Facts::of(source).items.into_iter();
        for item in items.filter(|item| TYPES.contains(&item.kind) && !item.is_associated) {
            places.entry(item.name).or_default().push(source.at(item.first_line));
        }
    }
    let shared = places.into_iter().filter(|(_, places)| places.len() > 1);
    shared.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect()
}

mod tests {
    use super::*;
    use crate::tidy::source::tree;

    #[test]
    fn types_of_one_name_are_told_with_their_places() {
        let files = [
            ("a.rs", "pub struct A;\nenum B {}\nmod c {\n  struct D<T>(T);\n}"),
            ("b.rs", "trait A {}\ntype D = E;\nunion F { a: u8 }"),
            ("c.rs", "fn f() {\n  struct F;\n}"),
        ];
        let expected =
            ["A: src/a.rs:1, src/b.rs:1", "D: src/a.rs:4, src/b.rs:2", "F: src/b.rs:3, src/c.rs:2"];
        assert_eq!(shared_names(&tree("src", &files)), expected);
    }

    #[test]
    fn types_of_traits_of_tests_and_in_text_do_not_count() {
        let files = [
            (
                "a.rs",
                "impl A for B { type C = D; }\n#[cfg(test)]\nmod tests { struct E; }\nfn E() {}",
            ),
            ("b.rs", "trait A { type C; }\nstruct C;\nstruct E; // struct A\nfn g(union: H) {}"),
        ];
        assert_eq!(shared_names(&tree("src", &files)), [""; 0]);
    }
}
