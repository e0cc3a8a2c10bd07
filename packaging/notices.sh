#!/usr/bin/env bash
# notices.sh: prints what is linked into the program, and under which licences, whose texts have to
# go with it. Takes them from the directory `vendor`, as `cargo vendor` writes it.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo tree --offline --locked --package sysext-build --edges normal --prefix none --no-dedupe \
    --format '{p}|{l}' | grep -v ' (/' | sed 's/ (proc-macro)//' | LC_ALL=C sort -u > "$work/linked"
echo 'The program contains these libraries:'
echo
sed 's/|/  /; s/^/    /' "$work/linked"
# Most of the texts are the same, so each is printed once.
mkdir "$work/texts"
while IFS='|' read -r package _; do
    name=${package% v*}
    version=${package##* v}
    directory=vendor/$name-$version
    [ -d "$directory" ] || directory=vendor/$name
    [ -d "$directory" ] || { echo "$directory is missing: run cargo vendor" >&2; exit 1; }
    find "$directory" -maxdepth 2 -type f -size -64k \
        \( -iname 'licen[sc]e*' -o -iname 'copying*' -o -iname 'notice*' -o -iname 'unlicense*' \) |
        LC_ALL=C sort | while read -r file; do
        text=$(tr -d '\r' < "$file" | sha256sum)
        text=$work/texts/${text%% *}
        [ -e "$text" ] || tr -d '\r' < "$file" > "$text"
        grep -qsFx "$name $version" "$text.of" || echo "$name $version" >> "$text.of"
    done
done < "$work/linked"
# In the order of the libraries, whichever digest a text has.
head -qn 1 "$work"/texts/*.of | paste -d '|' - <(ls "$work"/texts/*.of) | LC_ALL=C sort |
    while IFS='|' read -r _ of; do
        printf '\n%s\n' '------------------------------------------------------------------------'
        paste -sd ',' "$of" | sed 's/,/, /g' | fold -sw 100
        printf '%s\n\n' '------------------------------------------------------------------------'
        cat "${of%.of}"
    done
