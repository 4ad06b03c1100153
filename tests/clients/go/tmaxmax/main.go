// `tmaxmax/go-sse`: reconnects by itself, after an end and after a cut.
//
// Found, in v0.12.0:
//
//   - Keeps the id of a block without data, and hands it over as an event: a phantom. So is a block of `retry:` alone.
//   - Half a block at the end of a connection counts for nothing, its id too. Sends Last-Event-ID when it reconnects.
//   - Reconnects after a clean end, a cut, a refused connection, 200 with `retry:` only.
//   - Honours `retry`, give or take a half, times 1.5 with each failure, without a bound; 0.5 s where nothing was said.
//   - Stops for good on any status but 200, and on another content type; its documentation says that a temporary
//     error of the validator is tried again, its code does not.
//   - Named events come like others where the user asks for all of them. An event of more than 64 KiB is an error, again
//     and again: `Buffer` raises it.
package main

import (
	"errors"
	"net/http"
	"time"

	"fast-sse/tests/clients/go/say"

	"github.com/tmaxmax/go-sse"
)

func main() {
	say.Run(map[string]func(string) error{"plain": plain, "mended": mended})
}

// plain is what the README shows; the callbacks only tell.
func plain(url string) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := sse.Client{
		OnRetry: func(err error, _ time.Duration) { say.Error(err) },
		ResponseValidator: func(response *http.Response) error {
			err := sse.DefaultValidator(response)
			if err == nil {
				say.Open()
			}
			return err
		},
	}
	connection := client.NewConnection(request)
	connection.SubscribeToAll(func(event sse.Event) { say.Event(event.Type, event.LastEventID, event.Data) })
	return connection.Connect()
}

// mended comes back after everything but a refusal, and takes messages of 1 MiB.
func mended(url string) error {
	lastID := ""
	var refused error
	client := sse.Client{
		OnRetry: func(err error, _ time.Duration) { say.Error(err) },
		ResponseValidator: func(response *http.Response) error {
			if err := say.Check(response); err != nil {
				refused = err
				return err
			}
			say.Open()
			return sse.DefaultValidator(response)
		},
		Backoff: sse.Backoff{MaxInterval: 15 * time.Second},
	}
	for {
		request, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if lastID != "" {
			request.Header.Set("Last-Event-ID", lastID)
		}
		connection := client.NewConnection(request)
		connection.Buffer(nil, 2<<20)
		connection.SubscribeToAll(func(event sse.Event) {
			if event.Data != "" {
				say.Event(event.Type, event.LastEventID, event.Data)
			}
			lastID = event.LastEventID
		})
		err = connection.Connect()
		if errors.Is(refused, say.RefusedError) {
			return refused
		}
		say.Error(err)
		say.Wait(2 * time.Second)
	}
}
