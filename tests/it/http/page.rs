//! The page for browsers, in a browser. Where there is none, these tests say so and pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use geecache::{Group, HttpPool, Server};

use crate::support::{Browser, CountingGetter, Peer, value_of};

/// Three peers with two groups, and callers that ask them again and again until it is dropped.
struct BusyCluster {
    peers: Vec<(HttpPool, Vec<Group>)>,
    is_over: Arc<AtomicBool>,
    callers: Vec<thread::JoinHandle<()>>,
}

/// A key that would do harm if it were taken for HTML.
const NASTY: &str =
    "<script>document.title='taken over';alert(1)</script><img src=x onerror=alert(2)>";

impl BusyCluster {
    fn new() -> Self {
        let start = |_| {
            let pool = HttpPool::builder().server(Server::Guarded).bind("127.0.0.1:0").unwrap();
            let groups = [("sessions", 160 << 10), ("product-pages", 8 << 20)];
            let groups = groups.map(|(name, bytes)| Group::new(name, bytes, CountingGetter::new()));
            groups.iter().for_each(|group| pool.add(group).unwrap());
            (pool, groups.to_vec())
        };
        let peers: Vec<_> = (0..3).map(start).collect();
        let urls: Vec<String> =
            peers.iter().map(|(pool, _)| pool.url().unwrap().to_owned()).collect();
        peers.iter().for_each(|(pool, _)| pool.set_peers(&urls).unwrap());
        let is_over = Arc::new(AtomicBool::new(false));
        let callers = (0..3).map(|at| {
            let (groups, is_over) = (peers[at].1.clone(), Arc::clone(&is_over));
            thread::spawn(move || call_again_and_again(&groups, &is_over, at as u64))
        });
        let callers = callers.collect();
        Self { peers, is_over, callers }
    }

    fn url(&self, node: usize) -> &str {
        self.peers[node].0.url().unwrap()
    }
}

fn call_again_and_again(groups: &[Group], is_over: &AtomicBool, seed: u64) {
    let mut random = crate::support::Random::new(seed);
    while !is_over.load(Ordering::Relaxed) {
        for group in groups {
            for _ in 0..4 {
                let nth = random.below(60) * random.below(60) * (1 + random.below(4));
                group.get(&format!("user:{nth}")).unwrap();
            }
            group.get("front page").unwrap();
        }
        groups[0].get(NASTY).unwrap();
        thread::sleep(Duration::from_millis(4));
    }
}

impl Drop for BusyCluster {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.callers.drain(..).for_each(|caller| caller.join().unwrap());
        self.peers.iter().for_each(|(pool, _)| pool.shutdown());
    }
}

/// The text of the first element that a selector finds.
fn text(selector: &str) -> String {
    format!("(document.querySelector({selector:?}) || {{textContent: ''}}).textContent")
}

fn has_text(selector: &str, part: &str) -> String {
    format!("{}.includes({part:?})", text(selector))
}

fn row(url: &str) -> String {
    format!("#peers tr[data-of='{url}']")
}

#[test]
fn a_reader_sees_the_cluster_and_that_a_peer_has_died() {
    let Some(mut browser) = Browser::start() else { return };
    let cluster = BusyCluster::new();
    browser.look(1280, 900, "light");
    browser.open(cluster.url(0));
    browser.until(&has_text("#headline", "All 3 peers are up and agree."));
    browser.until("document.querySelectorAll('#peers tbody tr').length === 3");
    browser.until("document.querySelectorAll('#groups .group').length === 2");
    assert_eq!(browser.evaluate(&has_text(&row(cluster.url(0)), "this peer")), true);
    for node in 0..3 {
        assert_eq!(browser.evaluate(&has_text(&row(cluster.url(node)), "✓ up")), true);
    }
    browser.until("document.querySelectorAll('#ring path').length === 6");
    browser.until("/[1-9]/.test(document.querySelector('#numbers dd').textContent)");
    browser.until("document.querySelectorAll('#groups polyline').length >= 4");
    if std::env::var_os("GEECACHE_PICTURES").is_some() {
        // For lines that are long enough to be looked at.
        thread::sleep(Duration::from_secs(20));
    }
    take_pictures(&mut browser, "up");

    cluster.peers[1].0.shutdown();
    browser.until(&has_text("#headline", "1 of 3 peers does not answer"));
    assert_eq!(browser.evaluate(&has_text(&row(cluster.url(1)), "✕ down")), true);
    assert_eq!(browser.evaluate(&has_text(&row(cluster.url(2)), "✓ up")), true);
    find(&mut browser, "sessions", "front page");
    browser.until(&has_text("#found", "front page of sessions belongs to"));
    browser.until("!!document.getElementById('spot')");
    take_pictures(&mut browser, "down");
    assert_eq!(browser.complaints(), [""; 0]);
}

fn take_pictures(browser: &mut Browser, name: &str) {
    for (width, height) in [(1280, 900), (390, 844)] {
        for scheme in ["light", "dark"] {
            browser.look(width, height, scheme);
            let fits = "document.documentElement.scrollWidth <= window.innerWidth";
            assert_eq!(browser.evaluate(fits), true, "{name} at {width}");
            browser.picture(&format!("{name}-{width}-{scheme}.png"));
        }
    }
    browser.look(1280, 900, "light");
}

/// Types a key into the box, and asks where it lives.
fn find(browser: &mut Browser, group: &str, key: &str) {
    let key = serde_json::to_string(key).unwrap();
    browser.evaluate(&format!(
        "document.getElementById('group').value = '{group}'; \
         document.getElementById('key').value = {key}; \
         document.querySelector('#find button').click()"
    ));
}

#[test]
fn names_that_look_like_html_stay_text() {
    let Some(mut browser) = Browser::start() else { return };
    let peer = Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool);
    for _ in 0..1000 {
        peer.group.get(NASTY).unwrap();
    }
    let nasty_group = Group::new("<b onmouseover=alert(3)>&lt;", 1 << 20, CountingGetter::new());
    peer.pool.add(&nasty_group).unwrap();
    browser.open(&peer.url());
    browser.until(&has_text("#headline", "This peer is the only one, and up."));
    browser.until(&has_text("#groups", "<b onmouseover=alert(3)>&lt;"));
    browser.until(&has_text("#hot", NASTY));
    find(&mut browser, "scores", NASTY);
    browser.until(&has_text("#found", NASTY));
    browser.until(&has_text("#found", &format!("in memory: {} B", value_of(NASTY).len())));
    assert_eq!(browser.evaluate("document.querySelectorAll('script').length"), 1);
    assert_eq!(
        browser.evaluate("document.querySelectorAll('img, #groups b[onmouseover]').length"),
        0
    );
    assert_eq!(browser.evaluate("document.title.includes('taken')"), false);
    find(&mut browser, "scores", "not there yet");
    browser.until(&has_text("#found", "No peer has it in memory."));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn shares_of_hot_keys_are_parts_of_a_whole() {
    let Some(mut browser) = Browser::start() else { return };
    let peer = Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool);
    for nth in 0..4000 {
        let key = if nth % 4 == 0 { "warm" } else { "hot" };
        peer.group.peer_side().get(key).unwrap();
    }
    browser.open(&peer.url());
    browser.until("document.querySelectorAll('#hot tbody tr').length === 2");
    let shares = "[...document.querySelectorAll('#hot tbody tr')]\
                  .map(row => parseFloat(row.cells[3].textContent))";
    assert_eq!(browser.evaluate(&format!("{shares}.every(share => share > 0)")), true);
    let sum = browser.evaluate(&format!("{shares}.reduce((a, b) => a + b)"));
    assert!(sum.as_f64().unwrap() < 100.5, "{sum}");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn events_that_are_alike_are_shown_as_often_as_they_happened() {
    let Some(mut browser) = Browser::start() else { return };
    let peer = Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool);
    let down = Group::new("down", 1 << 20, |_: &str| Err::<&str, _>("the disk is gone"));
    peer.pool.add(&down).unwrap();
    browser.open(&peer.url());
    browser.until(&has_text("#headline", "This peer is the only one, and up."));
    // Some of them in the same millisecond.
    (0..100).for_each(|_| drop(down.get("Tom")));
    let shown = "[...document.querySelectorAll('#events li')]\
                 .filter(item => item.textContent.includes('the disk is gone')).length";
    browser.until(&format!("{shown} === 8"));
    // It asks again a few times.
    browser.evaluate("performance.clearResourceTimings()");
    browser.until("performance.getEntriesByType('resource').length >= 4");
    assert_eq!(browser.evaluate(shown), 8, "8 of a kind are remembered");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_page_whose_peer_dies_says_so_and_goes_on_when_it_is_back() {
    let Some(mut browser) = Browser::start() else { return };
    let start = |addr: &str| {
        let pool = HttpPool::builder().server(Server::Guarded);
        pool.bind(addr.to_owned()).unwrap()
    };
    let (pool, other) = (start("127.0.0.1:0"), start("127.0.0.1:0"));
    let urls = [pool.url().unwrap().to_owned(), other.url().unwrap().to_owned()];
    [&pool, &other].iter().for_each(|pool| pool.set_peers(&urls).unwrap());
    browser.open(&urls[0]);
    browser.until(&has_text("#headline", "All 2 peers are up and agree."));
    let addr = pool.local_addr().unwrap().to_string();
    pool.shutdown();
    browser.until(&has_text("#headline", "This page's peer does not answer."));
    browser.until(&has_text("#alert", other.local_addr().unwrap().to_string().as_str()));
    assert_eq!(
        browser.evaluate("document.querySelector('#alert a').href"),
        format!("{}/", urls[1])
    );
    browser.picture("lost.png");
    let pool = start(&addr);
    pool.set_peers(&urls).unwrap();
    browser.until(&has_text("#headline", "All 2 peers are up and agree."));
    browser.until("document.getElementById('alert').hidden");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn who_knows_the_token_sees_the_cluster_and_may_remove_a_key() {
    let Some(mut browser) = Browser::start() else { return };
    let peer = Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool.token("hush"));
    peer.group.get("Tom").unwrap();
    browser.open(&peer.url());
    let login = |browser: &mut Browser, token: &str| {
        browser.until("!document.getElementById('login').hidden");
        assert_eq!(browser.evaluate("document.getElementById('all').hidden"), true);
        browser.evaluate(&format!(
            "document.getElementById('token').value = '{token}'; \
             document.querySelector('#login button').click()"
        ));
    };
    browser.until(&has_text("#headline", "Who may see this cluster?"));
    browser.picture("login.png");
    login(&mut browser, "wrong");
    browser.until(&has_text("#headline", "That token is not known here."));
    login(&mut browser, "hush");
    browser.until(&has_text("#headline", "This peer is the only one, and up."));
    find(&mut browser, "scores", "Tom");
    browser.until("!!document.querySelector('#found button')");
    browser.evaluate("document.querySelector('#found button').click()");
    browser.until(&has_text("#found button", "Really remove?"));
    assert!(peer.group.peek("Tom").is_some());
    browser.evaluate("document.querySelector('#found button').click()");
    browser.until(&has_text("#found", "Removed at all peers."));
    assert!(peer.group.peek("Tom").is_none());
    assert_eq!(browser.complaints(), [""; 0]);
}
