// Signatures of Fast SSE in Go: the standard library is enough.
//
//	SECRET=... go run sign.go v1 EVENT_ID EVENT_TYPE
//	SECRET=... go run sign.go v2 KID SCOPE IAT EXP NONCE EVENT_ID EVENT_TYPE [BODY_FILE]
//
// What the arguments mean stands in sign.py.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"strings"
)

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// pct escapes every byte that is not unreserved (RFC 3986); url.QueryEscape writes a space as "+".
func pct(text string) string {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if strings.IndexByte(unreserved, text[i]) >= 0 {
			out.WriteByte(text[i])
		} else {
			fmt.Fprintf(&out, "%%%02X", text[i])
		}
	}
	return out.String()
}

// V1 publishes and subscribes, and never expires.
func V1(secret, eventID, eventType string) string {
	return hex.EncodeToString(mac([]byte(secret), eventID+":"+eventType))
}

// V2 is for one scope, one channel and one body (nil: none), until exp.
func V2(secret, kid, scope, iat, exp, nonce, eventID, eventType string, body []byte) string {
	extracted := mac(make([]byte, 32), secret)         // HKDF (RFC 5869) with an empty salt ...
	key := mac(extracted, "fast-sse/v2/"+scope+"\x01") // ... and one block of output
	digest := "-"
	if body != nil {
		sum := sha256.Sum256(body)
		digest = hex.EncodeToString(sum[:])
	}
	lines := []string{"FSSE2", scope, kid, iat, exp, pct(eventID), pct(eventType), digest, nonce}
	signed := base64.RawURLEncoding.EncodeToString(mac(key, strings.Join(lines, "\n")))
	return strings.Join([]string{"v2", kid, scope, iat, exp, nonce, signed}, ".")
}

func main() {
	secret, given := os.Getenv("SECRET"), os.Args[1:]
	switch {
	case len(given) == 3 && given[0] == "v1":
		fmt.Println(V1(secret, given[1], given[2]))
	case len(given) >= 8 && given[0] == "v2":
		var body []byte
		if len(given) == 9 {
			read, err := os.ReadFile(given[8])
			if err != nil {
				log.Fatal(err)
			}
			body = append([]byte{}, read...) // an empty body is not the absence of one
		}
		fmt.Println(V2(secret, given[1], given[2], given[3], given[4], given[5], given[6], given[7], body))
	default:
		log.Fatal("usage: sign v1|v2 ...; see the head of sign.go")
	}
}
