# Varnish between a proxy that speaks TLS and a hub. For Varnish 7.1 and later.
#
# Copy to /etc/varnish/default.vcl, change what is marked CHANGE, then: varnishd -C -f /etc/varnish/default.vcl
# && systemctl reload varnish. docs/proxies.md explains what is not obvious here. tests/deploy/ runs this very file.
# Add these arguments to Varnish's unit (systemctl edit varnish). The proxy before Varnish gives the client's address by the
# PROXY protocol, as HAProxy does with `send-proxy-v2-ssl`:
#
#   -a 127.0.0.1:6081,PROXY -p pipe_timeout=60 -p backend_idle_timeout=60 -p backend_remote_error_holddown=0 -p thread_pool_max=10000
#
# Write the log without the query, because it may hold a signature (systemctl edit varnishncsa):
#
#   -F '%h %t "%m %U %H" %s %b %Ts %{Varnish:vxid}x'
vcl 4.1;

import proxy;
import std;

backend publish {
    .host = "127.0.0.1";                # CHANGE: the hub's host and port, twice
    .port = "30000";
    .connect_timeout = 5s;
    .first_byte_timeout = 30s;          # above the hub's limits.append_s (10): the hub's 504 comes first
    .between_bytes_timeout = 30s;
}

backend stream {
    .host = "127.0.0.1";
    .port = "30000";
    .connect_timeout = 5s;
    .probe = {                          # a pipe says nothing when it fails, so Varnish must know before
        .url = "/";
        .expected_response = 404;       # the hub has nothing there
        .interval = 1s;
        .timeout = 5s;
        .window = 2;
        .threshold = 1;
        .initial = 1;                   # until two in a row have failed, the hub counts as there
    }
}

sub vcl_recv {
    # Replaced, not appended to: a client can write anything into it.
    set req.http.X-Forwarded-For = client.ip;
    set req.http.X-Forwarded-Proto = "http";
    if (proxy.is_ssl()) {
        set req.http.X-Forwarded-Proto = "https";
    }

    if (req.url ~ "^/v1/subscribe") {
        set req.backend_hint = stream;
        if (!std.healthy(req.backend_hint)) {
            return (synth(503));
        }
        if (req.method == "GET") {
            return (pipe);              # each event leaves when it arrives, and the hub sees a slow client as slow
        }
        return (pass);
    }

    # Above the hub's limits (1 MiB, batches 16 MiB), so that the hub refuses a body, in its own words.
    set req.backend_hint = publish;
    if (req.http.Content-Length) {
        if (req.url ~ "^/v1/sse/batch(\?|$)") {
            if (std.integer(req.http.Content-Length, 1073741824) > 20971520) {
                return (synth(413));
            }
        } elsif (std.integer(req.http.Content-Length, 1073741824) > 2097152) {
            return (synth(413));
        }
    }
    return (pass);                      # nothing is kept, and no body is sent twice
}

sub vcl_backend_response {
    set beresp.uncacheable = true;
    return (deliver);                   # the hub's own answers, unchanged
}

sub vcl_backend_error {
    return (abandon);                   # Varnish's own answers are in vcl_synth
}

sub vcl_synth {
    set resp.http.Cache-Control = "no-store";
    set resp.http.Content-Type = "application/json";
    if (resp.status == 413) {
        synthetic({"{"code":"too_large","message":"the body is too large","request_id":""} + req.xid + {"" }"});
    } elsif (req.url !~ "^/v1/subscribe") {
        # Varnish cannot know whether the hub stored a publish before it went away.
        set resp.status = 504;
        synthetic({"{"code":"unknown","message":"the hub is away; what was sent may be stored: retry with the same key","request_id":""} + req.xid + {"" }"});
    } elsif (req.http.Accept !~ "text/event-stream") {
        # Other clients understand a 503.
        set resp.http.Retry-After = "2";
        synthetic({"{"code":"overloaded","message":"the hub is away; come back","request_id":""} + req.xid + {"" }"});
    } else {
        # Browsers. An EventSource comes back after a 200 and after a broken connection, and never after another status.
        set resp.status = 200;
        set resp.http.Cache-Control = "no-store, no-transform";
        set resp.http.Content-Type = "text/event-stream; charset=utf-8";
        set resp.http.Vary = "Origin";
        # CHANGE if pages of other origins subscribe: write the hub's cors.origins here, too. If an answer does not allow
        # a page's origin, the browser does not come back.
        if (req.http.Origin == "https://app.example.com") {
            set resp.http.Access-Control-Allow-Origin = req.http.Origin;
        }
        # How long it waits, in ms. By chance, so that not all come at once.
        synthetic("retry: " + std.real2integer(std.random(1000, 3999), 2000) + {"

"});
    }
    return (deliver);
}
