// `r3labs/sse`: reconnects by itself after a cut, and only in its first 15 minutes.
//
// Found, in v2.10.0:
//
//   - Keeps the id of a block without data, and hands it over as an event: a phantom. So is a block of `retry:` alone.
//   - Hands over half a block at the end of a connection, a cut one too, as an event: a message cut in the middle, and
//     where the cut is in the id, a wrong id to reconnect with. A body that holds back what has no blank line mends it.
//   - Sends Last-Event-ID when it reconnects, which it does after a cut and after a status that is not 200.
//   - A clean end returns nil and ends the subscription, 200 with `retry:` only too.
//   - Ignores `retry`: 0.5 s, times 1.5 with each reconnect, never back, until 15 minutes after it began: then a cut
//     ends the subscription.
//   - Named events come like others. An event of more than 64 KiB is an error, again and again: an option raises it.
package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"fast-sse/tests/clients/go/say"

	"github.com/r3labs/sse/v2"
	"gopkg.in/cenkalti/backoff.v1"
)

func main() {
	say.Run(map[string]func(string) error{"plain": plain, "mended": mended})
}

// plain is what the README shows; the callbacks only tell.
func plain(url string) error {
	client := sse.NewClient(url)
	client.OnConnect(func(*sse.Client) { say.Open() })
	client.ReconnectNotify = func(err error, _ time.Duration) { say.Error(err) }
	return client.SubscribeRaw(func(msg *sse.Event) {
		say.Event(string(msg.Event), string(msg.ID), string(msg.Data))
	})
}

// mended comes back after everything but a refusal, and hands over whole blocks only.
func mended(url string) error {
	wait := time.Second
	client := sse.NewClient(url, sse.ClientMaxBufferSize(2<<20))
	client.Connection.Transport = wholeBlocks{}
	client.ReconnectStrategy = &backoff.StopBackOff{} // the loop below is the one that reconnects
	client.ResponseValidator = func(_ *sse.Client, response *http.Response) error {
		err := say.Check(response)
		if err != nil {
			response.Body.Close()
		} else {
			say.Open()
		}
		return err
	}
	for {
		err := client.SubscribeRaw(func(msg *sse.Event) {
			if ms, err := strconv.Atoi(string(msg.Retry)); err == nil {
				wait = time.Duration(ms) * time.Millisecond
			}
			if len(msg.Data) > 0 {
				say.Event(string(msg.Event), string(msg.ID), string(msg.Data))
			}
		})
		if errors.Is(err, say.RefusedError) {
			return err
		}
		say.Error(err)
		say.Wait(wait)
	}
}

// wholeBlocks is a transport whose bodies end behind their last blank line.
type wholeBlocks struct{}

func (wholeBlocks) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err == nil {
		response.Body = &blockBody{ReadCloser: response.Body}
	}
	return response, err
}

type blockBody struct {
	io.ReadCloser
	whole, rest []byte
}

func (b *blockBody) Read(p []byte) (int, error) {
	for len(b.whole) == 0 {
		n, err := b.ReadCloser.Read(p)
		b.rest = append(b.rest, p[:n]...)
		fresh := max(0, len(b.rest)-n-1)
		if end := bytes.LastIndex(b.rest[fresh:], []byte("\n\n")); end >= 0 {
			end += fresh
			b.whole, b.rest = b.rest[:end+2], append([]byte(nil), b.rest[end+2:]...)
		} else if err != nil {
			return 0, err
		}
	}
	n := copy(p, b.whole)
	b.whole = b.whole[n:]
	return n, nil
}
