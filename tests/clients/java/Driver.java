import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.sse.EventSource;
import okhttp3.sse.EventSourceListener;
import okhttp3.sse.EventSources;

/**
 * {@code okhttp-sse}: reads one stream; who uses it reconnects. {@code plain} is its one connection.
 *
 * <p>Found, in 5.5.1:
 *
 * <ul>
 *   <li>Drops a block without data and its id with it. An event's id is the last one of this connection.
 *   <li>Half a block at the end of a connection counts for nothing.
 *   <li>Sends no Last-Event-ID, never reconnects, tells nobody what {@code retry} said.
 *   <li>OkHttp's read timeout is 10 s by default and heartbeats come every 15 s: a quiet stream fails.
 *   <li>Named events come like others. A clean end is {@code onClosed}, all else {@code onFailure}.
 * </ul>
 */
public final class Driver {
    public static void main(String[] arguments) throws IOException {
        Thread client = new Thread(() -> run(arguments[0], arguments[1]));
        client.setDaemon(true);
        client.start();
        while (System.in.read() != -1) {
            // nothing is ever said; its end is ours
        }
        Runtime.getRuntime().halt(0);
    }

    private static void run(String url, String variant) {
        String reason = variant.equals("plain") ? plain(url) : mended(url);
        say("{\"closed\": " + quoted(reason) + "}");
    }

    private static String plain(String url) {
        Once once = new Once(null);
        EventSources.createFactory(new OkHttpClient()).newEventSource(new Request.Builder().url(url).build(), once);
        return once.end.join();
    }

    /** Comes back after everything but a refusal, from the last event that was processed. */
    private static String mended(String url) {
        // Bounds the silence between heartbeats, which come every 15 s, and not the stream.
        OkHttpClient client = new OkHttpClient.Builder().readTimeout(Duration.ofSeconds(60)).build();
        String lastId = null;
        while (true) {
            Request.Builder request = new Request.Builder().url(url);
            if (lastId != null) {
                request.header("Last-Event-ID", lastId);
            }
            Once once = new Once(lastId);
            EventSources.createFactory(client).newEventSource(request.build(), once);
            String reason = once.end.join();
            lastId = once.lastId;
            if (once.refused) {
                return reason;
            }
            say("{\"error\": " + quoted(reason) + "}");
            try {
                Thread.sleep(ThreadLocalRandom.current().nextLong(500, 1500));
            } catch (InterruptedException interrupted) {
                return "interrupted";
            }
        }
    }

    /** One connection: prints what it is told, and keeps the id of the last event that was processed. */
    private static final class Once extends EventSourceListener {
        final CompletableFuture<String> end = new CompletableFuture<>();
        volatile String lastId;
        volatile boolean refused;

        Once(String lastId) {
            this.lastId = lastId;
        }

        @Override
        public void onOpen(EventSource source, Response response) {
            say("{\"open\": true}");
        }

        @Override
        public void onEvent(EventSource source, String id, String type, String data) {
            String name = type == null ? "message" : type;
            say("{\"event\": " + quoted(name) + ", \"id\": " + quoted(id) + ", \"data\": " + quoted(data) + "}");
            lastId = id == null ? lastId : id;
        }

        @Override
        public void onClosed(EventSource source) {
            end.complete("the stream ended");
        }

        @Override
        public void onFailure(EventSource source, Throwable problem, Response response) {
            int status = response == null ? 0 : response.code();
            refused = 400 <= status && status < 500 && status != 429;
            end.complete(problem == null ? "status " + status : problem.toString());
        }
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    /** A JSON string, or null; what is not ASCII is escaped, whatever the locale. */
    private static String quoted(String text) {
        if (text == null) {
            return "null";
        }
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ' || c > '~') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
