//! What the guarded server takes from its clients, and what follows past that.
//!
//! [`Server::Guarded`](crate::Server::Guarded) has a limit on everything that a client can send or
//! leave out. The last column names the tests, in `src/http/server` where nothing else is said.
//! What the other server lacks stands in [`tiny_http`](crate::guide::tiny_http).
//!
//! | what | limit | past it | tests |
//! |---|---|---|---|
//! | open connections | `max_connections` | the one that was idle for longest is closed, or else the oldest that waits for the rest of a body; if there is none, a 503 | `idle_connection_makes_room`, `bodies_that_stop_do_not_keep_others_out`, `heads_that_never_end_do_not_keep_others_out`, `connection_past_the_cap_gets_a_503_when_none_is_idle` |
//! | descriptors of the process | the system's | it goes on accepting when there are some again | `process_out_of_descriptors_serves_again_when_it_has_some` |
//! | requests with a handler | `max_requests` | 503 | `requests_past_the_bound_get_a_503` |
//! | bytes of a head | 32 KiB | 414 for its first line, 431 for the rest | `one_byte_of_a_head_more_than_the_limit_gets_a_431`, `endless_target_gets_a_414`, `megabyte_of_headers_gets_a_431` |
//! | headers | 64 | 431 | `one_header_more_than_the_limit_gets_a_431` |
//! | time for a head, from its first byte | 10 s | 408 | `head_that_drips_is_given_up_at_its_deadline` |
//! | bytes of a body | `max_value_bytes`, 1 MiB at least and 1 GiB at most | 413 | `body_past_the_limit_gets_a_413`, `huge_content_length_gets_a_413` |
//! | bytes of a body of those who do not know the token | none but what came with the head | 401 | `a_long_body_of_a_stranger_is_refused_before_it_comes` in `tests/it` |
//! | bytes of all bodies over 64 KiB together | a quarter of `max_transfer_bytes`, and as much for answers | 503 when there is no room in time | `long_body_waits_for_room_until_its_time_is_over`, `long_answer_waits_for_room_until_its_time_is_over` |
//! | memory for a body of up to 64 KiB | four times what has come of it, or 64 KiB | | `clients_that_stall_hold_nobody_up` in `tests/hostile` |
//! | memory that a connection keeps for the next request | 64 KiB, and what was sent ahead of it | given back when that is handled | `long_buffer_is_given_back_although_the_next_request_has_begun` |
//! | time for a body | 30 s | 408 | `body_that_stops_is_given_up`, `body_that_drips_is_given_up_at_its_deadline` |
//! | time for a client to take 1 MiB of an answer, or what is left of it | 30 s, and once more for what the kernel takes at first | the connection is closed | `client_that_takes_no_answer_is_given_up`, `client_that_takes_too_little_in_its_time_is_given_up` |
//! | requests that are read ahead | what fits into the buffer | nothing is read until the answer is taken | `client_that_pipelines_and_never_reads_is_not_read_for_long`, `client_that_never_reads_makes_the_guarded_server_hold_little` in `tests/hostile` |
//! | what is still read after a refusal | 4 MiB, for 1 s | the connection is closed | `refused_client_that_goes_on_is_read_for_a_moment_only` |
//! | time without a request | `idle_timeout` | the connection is closed | `silent_connection_is_closed_after_the_idle_time` |
//! | time for a shutdown | `drain_timeout` | what is in flight is left unanswered | `shutdown_does_not_wait_for_ever` |
//! | memory that stays after 20,000 attacks | 2 MiB | | `guarded_server_holds_nothing_of_attacks_that_are_over` in `tests/hostile` |
//!
//! # TLS
//!
//! * A guarded server is in up to 256 TLS handshakes at once. With one more, the oldest is closed.
//! * A server forgets its keys for tickets when its files change, and after an hour. A client keeps
//!   up to 256 sessions.
//! * The files are looked at about once a second, while connections are made.
