#!/usr/bin/env bash
# Installs the workspace's dependencies; a lock lets several shells call it at once.
set -eu
cd "$(dirname "$0")/.."
exec 9>/tmp/cronium-install.lock
flock 9
npm install --no-audit --no-fund
