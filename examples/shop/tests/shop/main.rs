//! The shop as its users have it: two real processes, asked over HTTP.
#![cfg(unix)]

mod promise;
mod running;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use running::{Shop, signal, until};

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let shop = Command::new(env!("CARGO_BIN_EXE_shop")).args(arguments).output();
    let Output { status, stdout, stderr } = shop.unwrap();
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[test]
fn what_is_changed_in_one_process_is_read_from_the_other() {
    let shop = Shop::open("changes", &[]);
    for (here, there) in [(0, 1), (1, 0)] {
        // Whichever process owns a product, both have it in memory when it changes.
        for id in 1..=8 {
            let _ = [shop.price(here, id), shop.price(there, id)];
            let cents = 1000 * (1 + here as u64) + id;
            assert_eq!(shop.set_price(here, id, cents)["everywhere"], true);
            assert_eq!([shop.price(there, id), shop.price(here, id)], [cents; 2], "product {id}");

            let left = shop.left(there, id);
            assert_eq!(shop.post(here, &format!("products/{id}/buy"), "")["everywhere"], true);
            assert_eq!([shop.left(there, id), shop.left(here, id)], [left - 1; 2], "stock {id}");
        }
        shop.post(here, "categories/tea/discount", "{\"percent\": 50}");
        for id in 1..=8 {
            let cents = (1000 * (1 + here as u64) + id) / 2;
            assert_eq!([shop.price(there, id), shop.price(here, id)], [cents; 2], "product {id}");
        }
    }
    shop.close();
}

#[test]
fn a_category_costs_each_process_one_query_and_then_none() {
    let shop = Shop::open("queries", &[]);
    let prices = |page: &Value| -> Vec<u64> {
        let products = page["products"]["answer"].as_array().unwrap().iter();
        products.map(|product| product["value"]["cents"].as_u64().unwrap()).collect()
    };
    let first = shop.get(0, "categories/honey");
    assert_eq!(prices(&first).len(), 8);
    // The list, and the products that each of the two owns.
    assert!(shop.queries() <= 3, "{first}");
    let before = shop.queries();
    assert_eq!(prices(&shop.get(1, "categories/honey")), prices(&first));
    let again = shop.get(0, "categories/honey");
    assert_eq!(shop.queries(), before);
    for product in again["products"]["answer"].as_array().unwrap() {
        assert!(["memory", "copy", "owner-memory"].contains(&product["from"].as_str().unwrap()));
    }
    shop.close();
}

#[test]
fn the_pages_answer_when_the_second_process_is_killed() {
    let shop = Shop::open("killed", &[]);
    let before: Vec<u64> = (1..=32).map(|id| shop.price(0, id)).collect();
    assert!(signal("KILL", &shop.pid(1)));
    let after: Vec<u64> = (1..=32).map(|id| shop.price(0, id)).collect();
    assert_eq!(after, before);
    for category in ["tea", "coffee", "spices", "honey"] {
        let page = shop.get(0, &format!("categories/{category}"));
        assert_eq!(page["products"]["answer"].as_array().unwrap().len(), 8);
    }
    for id in 1..=8 {
        let changed = shop.set_price(0, id, 4711);
        assert_eq!(changed["everywhere"], false, "nobody was there to be told");
        assert_eq!(shop.price(0, id), 4711);
    }
    let output = shop.close();
    assert!(output.contains("Process 2 has ended"), "{output}");
    assert!(output.contains("End of input"), "{output}");
}

#[test]
fn a_database_that_is_away_is_survived_by_what_was_read_before() {
    let shop = Shop::open("away", &["--ttl", "0.1"]);
    let tea = shop.get(0, "categories/tea");
    let names = |page: &Value| -> Vec<String> {
        let products = page["products"]["answer"].as_array().unwrap().iter();
        products.map(|product| product["value"]["name"].to_string()).collect()
    };
    shop.sql("ALTER TABLE products RENAME TO away");
    // What expires is served all the same, by both, and not only while it may be refreshed.
    for process in [0, 1] {
        let begun = Instant::now();
        until("a stale value is served", || {
            let page = shop.get(process, "categories/tea");
            assert_eq!(names(&page), names(&tea), "asked process {process}");
            let mut products = page["products"]["answer"].as_array().unwrap().iter();
            let is_stale = products.any(|product| product["from"] == "stale");
            (is_stale && begun.elapsed() > Duration::from_millis(500)).then_some(())
        });
    }
    // What was not read is an error; after some of them the database has its rest.
    until("the database is left alone", || {
        let (status, body) = shop.page(0, "api/categories/coffee");
        assert!(status >= 500, "{body}");
        (status == 503).then_some(())
    });
    shop.sql("ALTER TABLE away RENAME TO products");
    until("the database is asked again", || {
        (shop.page(0, "api/categories/coffee").0 == 200).then_some(())
    });
    shop.close();
}

#[test]
fn nobody_waits_for_a_slow_database_who_can_have_an_old_value() {
    let shop = Shop::open("slow", &["--ttl", "0.1", "--delay", "400"]);
    until("a load is slow and an old value is there", || {
        shop.price(0, 1);
        (shop.metric("geecache_soft_timeouts_total{group=\"products\"}") > 0).then_some(())
    });
    shop.close();
}

#[test]
fn a_price_that_was_changed_elsewhere_is_seen_after_the_ttl() {
    let shop = Shop::open("elsewhere", &["--ttl", "0.05"]);
    // Versions are compared, and say that nothing has changed.
    until("a refresh brings nothing new", || {
        shop.price(0, 1);
        (shop.metric("geecache_unchanged_total{group=\"products\"}") > 0).then_some(())
    });
    shop.sql("UPDATE products SET cents = 4711, version = version + 1 WHERE id = 1");
    for process in [0, 1] {
        until("the new price is there", || (shop.price(process, 1) == 4711).then_some(()));
    }
    shop.close();
}

#[test]
fn ctrl_c_ends_both_processes() {
    let shop = Shop::open("ctrl-c", &[]);
    shop.price(0, 1);
    assert!(signal("INT", &shop.pid(0)));
    let pid = shop.pid(1);
    until("the second process ends", || (!signal("0", &pid)).then_some(()));
    assert!(shop.close().contains("Ctrl-C: the shop is closing"));
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let shop = Shop::open("strict", &[]);
    let price = shop.price(0, 1);
    let url = format!("{}/api/products/1/price", shop.pages[0]);
    let post = |site: &str, body: &str| {
        let request = shop.agent.post(&url).header("Sec-Fetch-Site", site);
        request.send(body).unwrap().status().as_u16()
    };
    assert_eq!(post("cross-site", "{\"cents\": 1}"), 403);
    assert_eq!(post("same-site", "{\"cents\": 1}"), 403);
    for wrong in ["", "{}", "{\"cents\": -1}", "nonsense"] {
        assert_eq!(post("same-origin", wrong), 400, "{wrong}");
    }
    assert_eq!(shop.price(0, 1), price);
    assert_eq!(post("same-origin", "{\"cents\": 1}"), 200);
    assert_eq!(shop.price(1, 1), 1);
    for (status, path) in [
        (404, "nowhere"),
        (404, "api/products/0"),
        (404, "api/products/tea"),
        (404, "api/categories/cars"),
        (200, ""),
    ] {
        assert_eq!(shop.page(0, path).0, status, "/{path}");
    }

    // The page's own script may run, and no other.
    let mut answer = shop.agent.get(&shop.pages[0]).call().unwrap();
    let policy = answer.headers()["Content-Security-Policy"].to_str().unwrap().to_owned();
    let page = answer.body_mut().read_to_string().unwrap();
    let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.matches(&format!(" nonce=\"{nonce}\"")).count(), 2);
    assert_ne!(shop.page(0, "").1, page, "each page has a nonce of its own");
    shop.close();
}

#[test]
fn the_load_generator_tells_what_it_saw() {
    let shop = Shop::open("load", &[]);
    let [one, two] = &shop.pages;
    let (status, output) = run(&["load", "--url", one, "--url", two, "--seconds", "1"]);
    assert_eq!(status, Some(0), "{output}");
    for line in ["gets/s", "at p99", "memory of the process", "queries of the database"] {
        assert!(output.contains(line), "{output}");
    }
    assert!(output.contains("         0 old prices"), "{output}");
    shop.close();
}

#[test]
fn help_and_wrong_options_look_as_in_the_other_examples() {
    let (status, help) = run(&["--help"]);
    assert_eq!(status, Some(0));
    assert!(help.contains("Usage: shop [--db PATH]"), "{help}");
    for wrong in
        [&["--nonsense"][..], &["--port", "many"], &["--ttl", "-1"], &["load", "--db", "x"]]
    {
        let (status, output) = run(wrong);
        assert_eq!(status, Some(2), "{output}");
        assert!(output.contains("(see --help)"), "{output}");
    }
    let (status, output) = run(&["--port", "0", "--db", "/nowhere/shop.db"]);
    assert_eq!(status, Some(1), "{output}");
    assert!(output.starts_with("shop: /nowhere/shop.db: "), "{output}");
    let (status, output) = run(&["load", "--url", "http://127.0.0.1:1"]);
    assert_eq!(status, Some(1), "{output}");
}
