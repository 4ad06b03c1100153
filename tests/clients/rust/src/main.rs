//! `reqwest-eventsource`: reconnects by itself, after an end and after a cut.
//!
//! Found, in 0.6.0:
//!
//! - Drops a block without data and its id with it. Half a block at the end of a connection counts for nothing.
//! - Sends Last-Event-ID when it reconnects, an empty one while it knows none: the hub takes that for a lost cursor.
//! - Reconnects after a clean end, a cut, a refused connection, 200 with `retry:` only.
//! - Honours `retry` from a block that has data, and doubles it with each failure to 5 s, or to `retry` where that is
//!   longer. Before the first block it waits 0.3 s, the same for all.
//! - Stops for good on any status but 200, and on another content type.
//! - Named events come like others. A dead connection is noticed by nobody: `read_timeout` does.

use std::io::{Read, Write};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Client, StatusCode};
use reqwest_eventsource::{retry, Error, Event, EventSource};
use serde_json::{json, Value};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (url, variant) = (arguments.next().unwrap(), arguments.next().unwrap());
    let client = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let reason = match variant.as_str() {
            "plain" => runtime.block_on(plain(&url)),
            _ => runtime.block_on(mended(&url)),
        };
        say(json!({"closed": reason}));
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(client); // it ends with the process, whatever it waits for
}

/// What the README shows, but for its `close` at the first error, with which it would never reconnect.
async fn plain(url: &str) -> String {
    let mut source = EventSource::get(url);
    while let Some(event) = source.next().await {
        match event {
            Ok(event) => {
                tell(&event);
            }
            Err(error) => say(json!({"error": error.to_string()})),
        }
    }
    "the events ended".into()
}

/// Comes back after everything but a refusal, and sends no Last-Event-ID while it knows none.
async fn mended(url: &str) -> String {
    let timeout = Duration::from_secs(60); // of silence, four heartbeats; not of the stream
    let client = Client::builder().read_timeout(timeout).build().unwrap();
    let (mut last_id, mut wait) = (String::new(), Duration::from_secs(1));
    loop {
        let mut request = client.get(url);
        if !last_id.is_empty() {
            request = request.header("Last-Event-ID", &last_id);
        }
        let mut source = EventSource::new(request).unwrap();
        source.set_retry_policy(Box::new(retry::Never));
        while let Some(event) = source.next().await {
            match event {
                Ok(event) => {
                    tell(&event);
                    if let Event::Message(message) = event {
                        wait = message.retry.unwrap_or(wait);
                        last_id = message.id;
                    }
                }
                Err(Error::InvalidStatusCode(status, _))
                    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS =>
                {
                    return status.to_string();
                }
                Err(error) => say(json!({"error": error.to_string()})),
            }
        }
        tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }
}

fn tell(event: &Event) {
    match event {
        Event::Open => say(json!({"open": true})),
        Event::Message(message) => {
            let id = if message.id.is_empty() {
                Value::Null
            } else {
                json!(message.id)
            };
            say(json!({"event": message.event, "id": id, "data": message.data}));
        }
    }
}

fn say(line: Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}
