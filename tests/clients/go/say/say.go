// Package say prints what a client does: the protocol between a client of the table and its judge.
package say

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"time"
)

// RefusedError is an answer that waiting does not mend.
var RefusedError = errors.New("refused")

// Open: the client told its user that it is connected.
func Open() { say(map[string]any{"open": true}) }

// Event was handed to the user's code; without a name it is a message.
func Event(name, id, data string) {
	var known any
	if id != "" {
		known = id
	}
	if name == "" {
		name = "message"
	}
	say(map[string]any{"event": name, "id": known, "data": data})
}

// Error: the client told its user of something, and may go on.
func Error(problem error) { say(map[string]any{"error": text(problem)}) }

// Run runs a variant to its end, which may never come, and ends with standard input whatever the client waits for.
func Run(variants map[string]func(url string) error) {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	go func() {
		err := variants[os.Args[2]](os.Args[1])
		say(map[string]any{"closed": text(err)})
	}()
	<-ended
}

// Check says whether an answer is a stream, and RefusedError where asking again would give the same.
func Check(response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	if 400 <= response.StatusCode && response.StatusCode < 500 && response.StatusCode != http.StatusTooManyRequests {
		return fmt.Errorf("%w: %s", RefusedError, response.Status)
	}
	return errors.New(response.Status)
}

// Wait sleeps for half of that to all of it, so that a hub that comes back is not met by all at once.
func Wait(longest time.Duration) {
	time.Sleep(longest/2 + rand.N(longest/2+1))
}

func text(problem error) string {
	if problem == nil {
		return "the stream ended"
	}
	return problem.Error()
}

func say(fields map[string]any) {
	line, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.Write(append(line, '\n'))
}
