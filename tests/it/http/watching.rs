//! What `/status.json` tells, and what can be done there.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use geecache::{Server, StatusPages};
use serde_json::Value;

use super::status::ask_for_all as ask;
use crate::support::{Cluster, CountingGetter, Gate, Peer, SERVERS, start, until, value_of};

fn json(addr: &str, path: &str) -> Value {
    let (code, head, body) = ask(addr, "GET", path, "");
    assert_eq!(code, 200, "{head}\n{body}");
    assert!(head.contains("Content-Type: application/json\r\n"), "{head}");
    assert!(head.contains("X-Content-Type-Options: nosniff\r\n"), "{head}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn a_peer_tells_of_itself_its_peers_and_its_groups() {
    for server in SERVERS {
        let cluster = Cluster::of(3, server);
        let node = cluster.node(0);
        let theirs = cluster.key_owned_by(1);
        for _ in 0..2 {
            node.group.get(&theirs).unwrap();
        }
        let status = json(&node.addr(), "/status.json");
        assert_eq!(status["format"], 1);
        assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(status["url"], node.url());
        assert_eq!(
            (&status["ready"], &status["why"]),
            (&true.into(), &"ready: one of 3 peers".into())
        );
        assert_eq!(
            (&status["protocol"], &status["base_path"]),
            (&"geecache".into(), &"/_geecache/".into())
        );
        assert_eq!((&status["has_token"], &status["has_tls"]), (&false.into(), &false.into()));
        assert!(status["time_ms"].as_u64() > Some(1_600_000_000_000));
        let ring = &status["ring"];
        assert_eq!((&ring["hash"], &ring["replicas"]), (&"crc32".into(), &50.into()));
        assert_eq!((&ring["peers"], &ring["listed"]), (&3.into(), &true.into()));
        assert!(status["server"]["requests"].as_u64() >= Some(1));

        let mut urls = cluster.urls();
        urls.sort();
        let peers = status["peers"].as_array().unwrap();
        let told: Vec<&str> = peers.iter().map(|peer| peer["url"].as_str().unwrap()).collect();
        assert_eq!(told, urls);
        let share: f64 = peers.iter().map(|peer| peer["share"].as_f64().unwrap()).sum();
        assert!((share - 1.0).abs() < 1e-9, "{share}");
        for peer in peers {
            assert_eq!(peer["self"], peer["url"] == node.url());
            assert_eq!(peer["state"].is_null(), peer["self"] == true);
        }
        let asked = peers.iter().find(|peer| peer["url"] == cluster.node(1).url()).unwrap();
        assert_eq!((&asked["state"], &asked["requests"]), (&"up".into(), &2.into()));

        let group = &status["groups"][0];
        assert_eq!(group["name"], "scores");
        assert_eq!(
            (&group["stats"]["gets"], &group["stats"]["peer_loads"]),
            (&2.into(), &2.into())
        );
        assert_eq!(
            (&group["ratios"]["hit"], &group["ratios"]["server"]),
            (&0.into(), &Value::Null)
        );
        assert_eq!(group["hot_cache"]["entries"], 1);
        assert_eq!(group["main_cache"]["max_bytes"], 64 << 20);

        assert!(json(&node.addr(), "/status.json?brief")["peers"].is_null());
        let pieces = json(&node.addr(), "/status.json?ring");
        assert_eq!(pieces["nodes"].as_array().unwrap().len(), 3);
        let arcs = pieces["arcs"].as_array().unwrap();
        assert!(arcs.len() > 3 && arcs.iter().all(|arc| arc["node"].as_u64() < Some(3)));
    }
}

#[test]
fn one_question_shows_the_whole_cluster_and_who_is_dead() {
    for server in SERVERS {
        let cluster = Cluster::of(3, server);
        let node = cluster.node(0);
        let others = |status: &Value| status["cluster"].as_array().unwrap().clone();
        let status = json(&node.addr(), "/status.json?cluster");
        assert_eq!(status["agree"], true);
        assert_eq!(others(&status).len(), 2);
        for other in others(&status) {
            assert_eq!(other["answered"], true, "{other}");
            assert_eq!(other["status"]["url"], other["url"]);
            assert_eq!(other["status"]["ring"], status["ring"]);
            assert!(other["status"]["cluster"].is_null() && other["status"]["peers"].is_null());
        }
        // Who watches changes nothing.
        for peer in json(&node.addr(), "/status.json")["peers"].as_array().unwrap() {
            assert_ne!(peer["requests"], 1, "{peer}");
        }

        cluster.node(1).pool.shutdown();
        until("the dead one is seen", || {
            let status = json(&node.addr(), "/status.json?cluster");
            let answered = |url: String| {
                let other = others(&status).into_iter().find(|other| other["url"] == url).unwrap();
                assert_eq!(other["answered"] == true, other["error"].is_null(), "{other}");
                other["answered"] == true
            };
            assert!(answered(cluster.node(2).url()), "{server:?}");
            !answered(cluster.node(1).url())
        });
    }
}

#[test]
fn peers_whose_lists_differ_do_not_agree() {
    let cluster = Cluster::of(3, Server::Guarded);
    cluster.node(1).join(&[&cluster.node(0).url()]);
    let status = json(&cluster.node(0).addr(), "/status.json?cluster");
    assert_eq!(status["agree"], false);
    assert_ne!(status["cluster"][0]["status"]["ring"], status["cluster"][1]["status"]["ring"]);
}

/// A peer of another program, which answers everything with `answer`. What it was asked is told.
fn foreign_peer(answer: &'static str) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            let head = String::from_utf8_lossy(&request[..read]).into_owned();
            if tell.send(head.lines().next().unwrap_or_default().to_owned()).is_err() {
                return;
            }
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, asked)
}

#[test]
fn a_peer_in_go_is_asked_nothing_that_it_does_not_know() {
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
                  Content-Length: 12\r\nConnection: close\r\n\r\nbad request\n";
    let (url, asked) = foreign_peer(answer);
    let peer = Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool);
    peer.join(&[&url]);
    for _ in 0..3 {
        let status = json(&peer.addr(), "/status.json?cluster");
        assert_eq!(status["cluster"][0]["answered"], false);
        let error = status["cluster"][0]["error"].as_str().unwrap();
        assert!(error.contains("it is no peer of this crate"), "{error}");
    }
    let asked: Vec<String> = asked.try_iter().collect();
    assert_eq!(asked, ["POST /_geecache/ HTTP/1.1"]);
}

#[test]
fn what_a_peer_answers_is_taken_only_if_it_is_json() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nGeecache: s=bad-request\r\n\
                  Content-Length: 8\r\nConnection: close\r\n\r\n{\"a\":1}}";
    let (url, _asked) = foreign_peer(answer);
    let peer = Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool);
    peer.join(&[&url]);
    let status = json(&peer.addr(), "/status.json?cluster");
    assert_eq!(status["cluster"][0]["answered"], false);
}

#[test]
fn silent_peers_hold_the_answer_up_for_no_longer_than_its_time() {
    // They take connections and say nothing.
    let silent: Vec<TcpListener> =
        (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let urls: Vec<String> =
        silent.iter().map(|it| format!("http://{}", it.local_addr().unwrap())).collect();
    let peer = Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool);
    let other = Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool);
    let mut all: Vec<&str> = urls.iter().map(String::as_str).collect();
    let theirs = other.url();
    all.push(&theirs);
    peer.join(&all);
    let status = json(&peer.addr(), "/status.json?cluster");
    for other in status["cluster"].as_array().unwrap() {
        assert_eq!(other["answered"], other["url"] == theirs, "{other}");
    }
}

#[test]
fn a_third_question_about_the_cluster_at_once_is_told_to_come_again() {
    for server in SERVERS {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
        peer.join(&[&url]);
        // Some of many that come at the same time are refused, and none of the plain ones.
        let answers = crate::support::all_at_once(8, {
            let addr = peer.addr();
            move |_| {
                let plain = ask(&addr, "GET", "/status.json", "").0;
                (plain, ask(&addr, "GET", "/status.json?cluster", "").0)
            }
        });
        assert!(answers.iter().all(|(plain, _)| *plain == 200), "{answers:?}");
        let of = |code| answers.iter().filter(|(_, it)| *it == code).count();
        assert!(of(200) >= 2 && of(200) + of(503) == 8, "{answers:?}");
        assert_eq!(ask(&peer.addr(), "GET", "/status.json?cluster", "").0, 200);
    }
}

#[test]
fn where_a_key_lives_is_told_by_all_peers() {
    for server in SERVERS {
        let cluster = Cluster::of(3, server);
        let (node, owner) = (cluster.node(0), cluster.node(1));
        let key = cluster.keys_owned_by(1).nth(1).unwrap();
        let path = format!("/status.json?group=scores&key={}", key.replace(' ', "%20"));
        let nowhere = json(&node.addr(), &path);
        assert_eq!((&nowhere["group"], &nowhere["key"]), (&"scores".into(), &key.clone().into()));
        assert_eq!(
            (&nowhere["owner"], &nowhere["asked"]),
            (&owner.url().into(), &owner.url().into())
        );
        assert!(nowhere["here"].is_null() && nowhere["cluster"].is_null());
        assert!(nowhere["position"].as_f64() < Some(1.0));

        for _ in 0..2 {
            node.group.get(&key).unwrap();
        }
        let everywhere = json(&node.addr(), &format!("{path}&cluster"));
        assert_eq!(everywhere["here"]["kind"], "copy");
        assert!(everywhere["here"]["ttl_ms"].as_u64() <= Some(30_000));
        let at = |url: String| {
            let mut others = everywhere["cluster"].as_array().unwrap().iter();
            others.find(|other| other["url"] == url).unwrap()["status"].clone()
        };
        let here = at(owner.url())["here"].clone();
        assert_eq!((&here["kind"], &here["exists"]), (&"owned".into(), &true.into()));
        assert_eq!((&here["bytes"], &here["ttl_ms"]), (&value_of(&key).len().into(), &Value::Null));
        assert!(at(cluster.node(2).url())["here"].is_null());
        assert_eq!(cluster.calls(), 1, "nobody loads for a question");

        for (path, code) in [
            ("/status.json?group=scores", 400),
            ("/status.json?key=Tom", 400),
            ("/status.json?group=scores&key=", 400),
            ("/status.json?group=scores&key=%ff", 400),
            ("/status.json?group=none&key=Tom", 404),
        ] {
            assert_eq!(ask(&node.addr(), "GET", path, "").0, code, "{path}");
        }
    }
}

#[test]
fn a_key_is_removed_by_those_who_know_the_token_only() {
    for server in SERVERS {
        let open = Peer::start(server, CountingGetter::new(), |pool| pool);
        open.group.get("Tom").unwrap();
        let path = "/status.json?group=scores&key=Tom";
        assert_eq!(ask(&open.addr(), "POST", path, "Content-Length: 0\r\n").0, 403);
        assert!(open.group.peek("Tom").is_some());

        let peer = Peer::start(server, CountingGetter::new(), |pool| pool.token("hush"));
        peer.group.get("Tom").unwrap();
        for headers in ["", "Authorization: Bearer wrong\r\n", "Cookie: token=hush\r\n"] {
            for method in ["GET", "POST"] {
                let headers = format!("{headers}Content-Length: 0\r\n");
                assert_eq!(ask(&peer.addr(), method, path, &headers).0, 401, "{method} {headers}");
            }
        }
        assert!(peer.group.peek("Tom").is_some());
        let shown = "Authorization: Bearer hush\r\nContent-Length: 0\r\n";
        assert_eq!(ask(&peer.addr(), "POST", "/status.json?group=no&key=Tom", shown).0, 404);
        let (code, _, body) = ask(&peer.addr(), "POST", path, shown);
        assert_eq!((code, &*body), (200, "{\"removed\":true,\"peers\":[]}"));
        assert!(peer.group.peek("Tom").is_none());
    }
}

#[test]
fn a_removal_tells_who_could_not_be_told() {
    let peer = Peer::start(Server::Guarded, CountingGetter::new(), |pool| {
        pool.token("hush").timeout(Duration::from_millis(300))
    });
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    peer.join(&[&format!("http://{gone}")]);
    let shown = "Authorization: Bearer hush\r\nContent-Length: 0\r\n";
    let body = ask(&peer.addr(), "POST", "/status.json?group=scores&key=Tom", shown).2;
    let report: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&report["removed"], &report["peers"][0]["done"]), (&false.into(), &false.into()));
    assert!(report["peers"][0]["error"].is_string(), "{report}");
}

#[test]
fn peers_with_a_token_tell_each_other_and_nobody_else() {
    let peers = [0, 1]
        .map(|_| Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool.token("hush")));
    let urls = [0, 1].map(|node| peers[node].url());
    peers[0].join(&[&urls[1]]);
    peers[1].join(&[&urls[0]]);
    let shown = "Authorization: Bearer hush\r\n";
    let (code, _, body) = ask(&peers[0].addr(), "GET", "/status.json?cluster", shown);
    let status: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &status["has_token"]), (200, &true.into()));
    assert_eq!(status["cluster"][0]["answered"], true, "{status}");
    assert_eq!(ask(&peers[0].addr(), "GET", "/status.json", "").0, 401);
    // The page holds no data.
    let (code, head, page) = ask(&peers[0].addr(), "GET", "/", "");
    assert_eq!(code, 200);
    assert!(head.contains("Content-Type: text/html; charset=utf-8\r\n"), "{head}");
    assert!(head.contains("default-src 'none'"), "{head}");
    assert!(!page.contains(&urls[1]) && !page.contains("scores"), "{page}");
}

#[test]
fn a_peer_that_is_busy_or_has_no_pages_is_no_riddle() {
    let off = Peer::start(Server::Guarded, CountingGetter::new(), |pool| {
        pool.status_pages(StatusPages::Off)
    });
    for (method, path) in
        [("GET", "/"), ("GET", "/status.json"), ("POST", "/status.json?group=scores&key=Tom")]
    {
        assert_eq!(ask(&off.addr(), method, path, "Content-Length: 0\r\n").0, 400, "{path}");
    }
    let one = std::num::NonZeroUsize::new(1).unwrap();
    for server in SERVERS {
        let gate = Gate::closed();
        let busy =
            Peer::start(server, CountingGetter::behind(&gate), |pool| pool.max_requests(one));
        busy.join(&[&off.url()]);
        let addr = busy.addr();
        let asks = start(move || ask(&addr, "GET", "/_geecache/scores/Tom", "").0);
        gate.wait_for_arrivals(1);
        let status = json(&busy.addr(), "/status.json?cluster");
        assert_eq!(status["server"]["in_flight"], 1);
        assert_eq!(status["cluster"][0]["answered"], false);
        gate.open();
        assert_eq!(asks.result(), 200);
    }
}

#[test]
fn names_of_any_kind_are_told_as_they_are() {
    let peer = Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool);
    let key = "</script><script>alert(1)</script>\"\\\n\u{2028}é";
    let escaped: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let path = format!("/status.json?group=scores&key={escaped}");
    let (code, _, body) = ask(&peer.addr(), "GET", &path, "");
    assert_eq!(code, 200);
    assert!(!body.contains('<'), "{body}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["key"], key);
}
