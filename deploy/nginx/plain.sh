#!/bin/sh
# Print the recipe beside this file for the nodes that are named, without TLS and with its logs on the standard streams. It is
# for a container behind whatever has the certificate (a cloud's balancer, an ingress), and for trying it out.
#
#   sh plain.sh hub-1:30000 hub-2:30000 > /etc/nginx/conf.d/default.conf
set -eu

servers=""
for node in "$@"; do
    servers="$servers    server $node fail_timeout=1s;\n"
done
sed -e "s|^    server 127\.0\.0\.1:30000;.*|$servers|" \
    -e "s|^    listen 443 .*|    listen 8080;|" \
    -e "s|^    server_name .*|    server_name _;|" \
    -e "/^    ssl_/d" \
    -e "s|/var/log/nginx/fast-sse\.log|/dev/stdout|" \
    -e "s|/var/log/nginx/fast-sse\.error\.log|/dev/stderr|" \
    "$(dirname "$0")/fast-sse.conf"
