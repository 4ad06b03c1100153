#!/bin/sh
# Print the recipe beside this file for the named nodes, without TLS, with its logs on standard output and standard error.
# Use it in a container behind a proxy with TLS (a cloud's balancer, an ingress), or to try the recipe out.
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
