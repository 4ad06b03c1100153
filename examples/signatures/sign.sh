#!/bin/sh
# Signatures of Fast SSE in a shell with openssl.
#
#     SECRET=... sh sign.sh v1 EVENT_ID EVENT_TYPE
#     SECRET=... sh sign.sh v2 KID SCOPE IAT EXP NONCE EVENT_ID EVENT_TYPE [BODY_FILE]
#
# What the arguments mean stands in sign.py. openssl takes its key as an argument, where other users of the machine can
# see it for a moment: for your own machine, not for a shared one.
set -eu
LC_ALL=C
export LC_ALL

hex() { od -An -v -tx1 | tr -d ' \n'; }

# hmac HEXKEY: of standard input, in hex.
hmac() { openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" -r | cut -d ' ' -f 1; }

# pct TEXT: every byte that is not unreserved (RFC 3986) as %XX.
pct() {
    printf %s "$1" | od -An -v -tx1 | tr -s ' ' '\n' | while read -r byte; do
        case $byte in
        '') ;;
        2d | 2e | 5f | 7e | 3[0-9] | 4[1-9a-f] | 5[0-9a] | 6[1-9a-f] | 7[0-9a])
            # The byte itself, by way of its octal escape.
            # shellcheck disable=SC2059
            printf "\\$(printf %03o "0x$byte")"
            ;;
        *) printf '%%%s' "$byte" | tr a-f A-F ;;
        esac
    done
}

version=$1
shift
secret=$(printf %s "$SECRET" | hex)
if [ "$version" = v1 ]; then
    printf '%s:%s' "$1" "$2" | hmac "$secret"
    exit
fi

kid=$1 scope=$2 iat=$3 exp=$4 nonce=$5 event_id=$6 event_type=$7
zeros=$(printf '%064d' 0)
extracted=$(printf %s "$SECRET" | hmac "$zeros")                  # HKDF (RFC 5869) with an empty salt ...
key=$(printf 'fast-sse/v2/%s\001' "$scope" | hmac "$extracted")   # ... and one block of output
digest=-
[ $# -lt 8 ] || digest=$(openssl dgst -sha256 -r "$8" | cut -d ' ' -f 1)
mac=$(printf 'FSSE2\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s' "$scope" "$kid" "$iat" "$exp" \
    "$(pct "$event_id")" "$(pct "$event_type")" "$digest" "$nonce" |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A | tr '+/' '-_' | tr -d '=')
printf 'v2.%s.%s.%s.%s.%s.%s\n' "$kid" "$scope" "$iat" "$exp" "$nonce" "$mac"
