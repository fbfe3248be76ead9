//! Interleavings that chance finds seldom, one by one. All four processes are in the list and have
//! the first version of the key, as the owner or as a copy; what is settled is never read again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::group::simulation::network::{Faults, World};
use crate::group::simulation::world;

/// The key, its owner, the one who changes it, and another one.
const KEY: usize = 1;
const OWNER: usize = 3;
const WRITER: usize = 0;
const OTHER: usize = 1;
/// The one who owns the key when its owner has left.
const NEXT: usize = 2;

/// Values have no ttl.
const SEED: u64 = 1;

/// All have the key, and nothing happens by chance.
fn all_have_it() -> Arc<World> {
    // What changes here is in the script.
    let world = world(SEED, 1, Faults { lists_change: None, views_differ: None });
    world.be_still();
    // Who makes a change, or is told of one, sees who there is.
    world.remove(WRITER, KEY);
    (0..4).for_each(|node| world.get(node, KEY));
    world
}

/// No request between these two arrives, until the world is healed.
fn cut(world: &World, a: usize, b: usize) {
    world.state().cut.extend([(a, b), (b, a)]);
}

/// This happens just before the next request from one to another arrives.
fn meanwhile(world: &World, from: usize, to: usize, happens: impl FnOnce(&World) + Send + 'static) {
    world.state().meanwhile.push(((from, to), Box::new(happens)));
}

fn without(nodes: &[usize]) -> BTreeSet<usize> {
    (0..4).filter(|node| !nodes.contains(node)).collect()
}

/// All who are in the list have what the source has.
fn expect_no_old_value(world: &World) {
    let listed = world.state().listed.clone();
    listed.into_iter().for_each(|node| world.expect_newest(node, KEY));
    world.heal();
    world.finish();
}

#[test]
fn what_was_read_from_one_who_is_owed_and_leaves_is_removed_all_the_same() {
    let world = all_have_it();
    cut(&world, WRITER, OWNER);
    world.remove(WRITER, KEY);
    // The other one was told, and asks the owner, which was not.
    world.get(OTHER, KEY);
    world.list(without(&[OWNER]));
    // The others are to remove it once more.
    world.pass(10_000);
    assert!(world.pay(WRITER));
    expect_no_old_value(&world);
}

#[test]
fn one_who_comes_into_the_list_while_a_debt_is_paid_may_have_read_from_who_was_owed() {
    let world = all_have_it();
    cut(&world, WRITER, OWNER);
    world.remove(WRITER, KEY);
    // It has missed nothing.
    world.list(without(&[OTHER]));
    world.heal_some();
    world.pass(10_000);
    meanwhile(&world, WRITER, OWNER, |world| {
        world.list(without(&[]));
        world.get(OTHER, KEY);
    });
    assert!(world.pay(WRITER));
    expect_no_old_value(&world);
}

#[test]
fn one_who_leaves_the_list_before_it_is_known_that_it_was_not_told_is_told_when_it_is_back() {
    let world = all_have_it();
    meanwhile(&world, WRITER, OWNER, |world| {
        world.list(without(&[OWNER]));
        cut(world, WRITER, OWNER);
    });
    world.remove(WRITER, KEY);
    assert!(world.pay(WRITER));
    world.heal_some();
    world.list(without(&[]));
    world.pass(10_000);
    assert!(world.pay(WRITER));
    expect_no_old_value(&world);
}

#[test]
fn one_who_is_told_late_may_have_read_from_one_who_is_back() {
    let world = all_have_it();
    world.list(without(&[OWNER]));
    cut(&world, WRITER, OTHER);
    world.remove(WRITER, KEY);
    world.list(without(&[]));
    world.heal_some();
    world.pass(10_000);
    // The other one is told first, and reads from the owner, which is told next.
    meanwhile(&world, WRITER, OWNER, |world| world.get(OTHER, KEY));
    assert!(world.pay(WRITER));
    expect_no_old_value(&world);
}

#[test]
fn of_two_who_are_back_one_may_read_from_the_other() {
    let world = all_have_it();
    world.list(without(&[OTHER, OWNER]));
    world.remove(WRITER, KEY);
    world.list(without(&[OWNER]));
    world.list(without(&[]));
    world.pass(10_000);
    meanwhile(&world, WRITER, OWNER, |world| world.get(OTHER, KEY));
    assert!(world.pay(WRITER));
    expect_no_old_value(&world);
}

#[test]
fn those_who_were_told_may_read_from_one_who_comes_into_the_list_meanwhile() {
    let world = all_have_it();
    world.list(without(&[OWNER]));
    meanwhile(&world, WRITER, OTHER, |world| world.list(without(&[])));
    meanwhile(&world, WRITER, OWNER, |world| world.get(OTHER, KEY));
    world.remove(WRITER, KEY);
    expect_no_old_value(&world);
}

#[test]
fn those_who_were_told_may_read_from_one_who_comes_to_own_the_key_meanwhile() {
    let world = all_have_it();
    // It has a copy.
    meanwhile(&world, WRITER, NEXT, |world| {
        world.list(without(&[OWNER]));
        world.get(OTHER, KEY);
    });
    world.remove(WRITER, KEY);
    expect_no_old_value(&world);
}

#[test]
fn the_same_holds_where_the_new_value_is_inserted() {
    let world = all_have_it();
    meanwhile(&world, WRITER, NEXT, |world| {
        world.list(without(&[OWNER]));
        world.get(OTHER, KEY);
    });
    let version = world.write(KEY).to_string();
    world.group(WRITER).insert(&KEY.to_string(), version).unwrap();
    expect_no_old_value(&world);
}

#[test]
fn one_who_may_not_read_from_the_owner_may_read_from_the_next_one_and_keeps_nothing_of_it() {
    // Of this key, the next one after the owner is told last.
    let (key, next, writer, other) = (0, 0, 1, 2);
    let world = all_have_it();
    (0..4).for_each(|node| world.get(node, key));
    // What it owes the owner is of another key.
    cut(&world, other, OWNER);
    world.remove(other, KEY);
    world.heal_some();
    meanwhile(&world, writer, next, move |world| world.get(other, key));
    world.remove(writer, key);
    (0..4).for_each(|node| world.expect_newest(node, key));
    world.heal();
    world.finish();
}

#[test]
fn one_who_was_told_may_read_from_the_owner_that_the_remover_believes_to_be_down() {
    let world = all_have_it();
    world.state().doubts.insert((WRITER, OWNER));
    // Those who answer for it are told first, and the owner is one of the rest.
    meanwhile(&world, WRITER, OWNER, |world| world.get(OTHER, KEY));
    world.remove(WRITER, KEY);
    expect_no_old_value(&world);
}

#[test]
fn so_may_the_one_that_the_remover_takes_for_its_stand_in() {
    let world = all_have_it();
    world.state().doubts.insert((WRITER, OWNER));
    // It is told first, and not with the rest.
    meanwhile(&world, WRITER, OWNER, |world| world.get(NEXT, KEY));
    world.remove(WRITER, KEY);
    expect_no_old_value(&world);
}

#[test]
fn one_who_is_cut_off_for_twenty_seconds_is_alone_with_old_values_and_only_until_it_is_back() {
    let world = all_have_it();
    let others = [0, 1, 2];
    others.iter().for_each(|&node| cut(&world, OWNER, node));
    for _ in 0..20 {
        world.remove(WRITER, KEY);
        assert!(!world.pay(WRITER));
        world.pass(1000);
        for node in others {
            world.expect_newest(node, KEY);
        }
        world.get(OWNER, KEY);
    }
    world.heal_some();
    // Who owes does not read, and the owner itself has no other source.
    world.expect_newest(WRITER, KEY);
    world.pass(Duration::from_secs(3).as_millis() as u64);
    assert!(world.pay(WRITER));
    expect_no_old_value(&world);
}
