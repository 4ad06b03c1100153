// Signatures of Fast SSE in JavaScript (Node, Deno, Bun): node:crypto is enough. Sign on a server: whoever has the
// secret can sign anything, so it never belongs into a page.
//
//     SECRET=... node sign.mjs v1 EVENT_ID EVENT_TYPE
//     SECRET=... node sign.mjs v2 KID SCOPE IAT EXP NONCE EVENT_ID EVENT_TYPE [BODY_FILE]
//
// What the arguments mean stands in sign.py.

import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { argv, env } from "node:process";
import { fileURLToPath } from "node:url";

const hmac = (key, text) => createHmac("sha256", key).update(text, "utf8").digest();

// RFC 3986: encodeURIComponent leaves five characters that are not unreserved.
const pct = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (one) => "%" + one.charCodeAt(0).toString(16).toUpperCase());

// Publishes and subscribes, and never expires.
export const v1 = (secret, eventId, eventType) => hmac(secret, `${eventId}:${eventType}`).toString("hex");

// One scope, one channel, one body (null: none), until `exp`.
export function v2(secret, kid, scope, iat, exp, nonce, eventId, eventType, body = null) {
  const extracted = hmac(Buffer.alloc(32), secret); // HKDF (RFC 5869) with an empty salt ...
  const key = hmac(extracted, `fast-sse/v2/${scope}\x01`); // ... and one block of output
  const digest = body === null ? "-" : createHash("sha256").update(body).digest("hex");
  const lines = ["FSSE2", scope, kid, iat, exp, pct(eventId), pct(eventType), digest, nonce].join("\n");
  return `v2.${kid}.${scope}.${iat}.${exp}.${nonce}.${hmac(key, lines).toString("base64url")}`;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const [version, ...given] = argv.slice(2);
  if (version === "v1") {
    console.log(v1(env.SECRET, ...given));
  } else {
    const file = given[7];
    console.log(v2(env.SECRET, ...given.slice(0, 7), file === undefined ? null : readFileSync(file)));
  }
}
