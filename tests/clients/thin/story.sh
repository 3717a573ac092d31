#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Stories of pane-thin under Xvfb: a fake /api/v1 over TLS (fake_api.py), FreeRDP's shadow server as
# the desktop, xdotool as the person. Everything listens on loopback only.
#
# usage: story.sh PANE_THIN [STORY...]     KEEP=1 keeps the work directory
set -u
thin=$(realpath "$1") || exit 2
shift
here=$(dirname "$(realpath "$0")")
for need in Xvfb xdotool freerdp-shadow-cli3 xterm openssl python3; do
	command -v $need >/dev/null || { echo "SKIP pane-thin stories: $need is not installed"; exit 77; }
done
work=$(mktemp -d /tmp/pane-thin.XXXXXX)
pids=()
export HOME=$work/home XDG_CONFIG_HOME=$work/home/.config GTK_A11Y=none GSK_RENDERER=cairo NO_AT_BRIDGE=1
export XDG_RUNTIME_DIR=$work/run GDK_BACKEND=x11 PANE_LOG=info
unset DBUS_SESSION_BUS_ADDRESS WAYLAND_DISPLAY
mkdir -p -m 700 "$HOME/.config" "$XDG_RUNTIME_DIR"

cleanup() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
	wait 2>/dev/null
	[ -n "${KEEP:-}" ] && echo "kept $work" || rm -rf "$work"
}
trap cleanup EXIT

# until_ok SECONDS COMMAND...: polls a condition
until_ok() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

fail() {
	echo "FAIL $story: $*"
	for f in "$work"/*.log; do echo "--- ${f##*/}"; tail -n 15 "$f"; done
	exit 1
}

start_x() { # start_x NAME -> display number in $NAME
	local fd
	exec {fd}>"$work/$1.display"
	Xvfb -displayfd $fd -screen 0 "$2" -noreset -nolisten tcp >"$work/$1.log" 2>&1 &
	pids+=($!)
	until_ok 10 test -s "$work/$1.display" || fail "no Xvfb"
	eval "$1=:$(cat "$work/$1.display")"
	exec {fd}>&-
}

make_pki() {
	cd "$work" || exit 1
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout ca.key -out ca.crt \
		-subj "/O=Pane/CN=test CA" -addext basicConstraints=critical,CA:TRUE
	openssl req -newkey rsa:2048 -nodes -keyout gw.key -out gw.csr -subj "/O=Pane/OU=gateway/CN=gateway"
	printf 'subjectAltName=DNS:gateway,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n' >gw.ext
	openssl x509 -req -in gw.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out gw.crt -extfile gw.ext
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout other.key -out other.crt -subj "/CN=other CA"
} >"$work/pki.log" 2>&1

start_api() { # start_api CERT-STEM ARGS...: port in $api
	local stem=$1
	shift
	rm -f "$work/api.port"
	"$here/fake_api.py" "$work/$stem.crt" "$work/$stem.key" --port-file "$work/api.port" "$@" 2>"$work/api.log" &
	api_pid=$!
	pids+=($api_pid)
	until_ok 10 test -s "$work/api.port" || fail "no fake API"
	api=$(cat "$work/api.port")
}

stop() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; }

start_rdp() { # the desktop's RDP server, again on the same port
	mkdir -p "$HOME/.config/freerdp/shadow"
	cp "$work/${1:-gw}.crt" "$HOME/.config/freerdp/shadow/shadow.crt"
	cp "$work/${1:-gw}.key" "$HOME/.config/freerdp/shadow/shadow.key"
	DISPLAY=$desk freerdp-shadow-cli3 /port:"$rdp" /bind-address:127.0.0.1 /sec:tls -auth >"$work/shadow.log" 2>&1 &
	rdp_pid=$!
	pids+=($rdp_pid)
	until_ok 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$rdp" || fail "no RDP server"
}

client() { # client ARGS...: in the background, with the password on stdin when PW is set
	DISPLAY=$screen "$thin" --server "https://127.0.0.1:$api" --ca "$work/ca.crt" --rdp-port "$rdp" "$@" \
		>"$work/thin.out" 2>"$work/thin.log" <<<"${PW:-}" &
	thin_pid=$!
	pids+=($thin_pid)
}

window() { DISPLAY=$screen xdotool search --sync --onlyvisible --name '^Pane$' | tail -n 1; }
x() { DISPLAY=$screen xdotool "$@"; }
log_has() { grep -q "$1" "$work/thin.log"; }
api_has() { grep -q "$1" "$work/api.log"; }
colours() { python3 "$here/png_colours.py" "$1"; }

shot() { # shot ARGS...: runs to the end, status in $rc
	DISPLAY=$screen timeout 100 "$thin" --server "https://127.0.0.1:$api" --ca "$work/ca.crt" --rdp-port "$rdp" \
		--user alice --password-stdin --screenshot "$work/shot.png" --after 1 --timeout 40 "$@" \
		>"$work/thin.out" 2>"$work/thin.log" <<<"${PW:-correct horse}"
	rc=$?
}

story_screenshot() {
	start_api gw --starting 2
	start_rdp
	shot
	[ $rc = 0 ] || fail "exit $rc"
	[ "$(colours "$work/shot.png")" -gt 20 ] || fail "the screenshot is blank"
	stop $rdp_pid
	stop $api_pid
}

story_screenshot_failures() {
	start_api gw --pools office,full
	PW=wrong shot
	[ $rc = 1 ] && log_has login.failed && log_has 'id [0-9a-f]' || fail "wrong password: exit $rc"
	shot --desktop full
	[ $rc = 1 ] && log_has 'host-a needs 4096 MiB' || fail "no room: exit $rc"
	shot --desktop nothere
	[ $rc = 1 ] && log_has pool.unknown || fail "unknown pool: exit $rc"
	shot
	[ $rc = 1 ] && log_has desktop.choose || fail "several desktops: exit $rc"
	shot --desktop office
	[ $rc = 1 ] && log_has server.unreachable || fail "no RDP server: exit $rc"
	stop $api_pid
	shot
	[ $rc = 1 ] && log_has server.unreachable || fail "no API: exit $rc"
	start_api gw --pools office --starting 1000
	shot --timeout 3
	[ $rc = 1 ] && log_has session.timeout || fail "timeout: exit $rc"
	stop $api_pid
}

story_untrusted_is_refused() {
	start_api other
	shot
	[ $rc = 1 ] && log_has server.untrusted || fail "API of another CA: exit $rc"
	api_has login && fail "the password went to an untrusted server"
	stop $api_pid
	start_api gw
	start_rdp other
	shot
	[ $rc = 1 ] && log_has server.untrusted || fail "RDP server of another CA: exit $rc"
	stop $rdp_pid
	stop $api_pid
}

differs() { # from a picture taken before
	DISPLAY=$screen import -window root "$work/now.png"
	! compare -metric AE "$1" "$work/now.png" null: >/dev/null 2>&1
}

sign_in() { # by keyboard, on the login page
	x type --delay 20 "$1"
	x key Return
}

story_login_list_session() {
	start_api gw --pools office,lab
	start_rdp
	client --user alice
	w=$(window) || fail "no window"
	x windowfocus --sync "$w"
	sign_in "nonsense"
	until_ok 10 log_has login.failed || fail "no cause for a wrong password"
	sign_in "correct horse"
	until_ok 10 api_has 'GET /api/v1/me/desktops' || fail "no list"
	until_ok 10 bash -c "sleep 0.5" # the page is drawn
	DISPLAY=$screen import -window root "$work/list.png"
	x key Return # the first card's Connect has the focus
	until_ok 15 log_has session.up || fail "no session"
	until_ok 15 typed_reaches_desktop || fail "typing does not reach the desktop"
	DISPLAY=$screen import -window root "$work/session.png"
	[ "$(colours "$work/session.png")" -gt 20 ] || fail "the session is blank"
	x key ctrl+alt+Home
	until_ok 3 differs "$work/session.png" # the menu is there: its keys are not the desktop's
	x key Tab Tab Return # Full screen, Ctrl+Alt+Del, Disconnect
	until_ok 10 log_has session.end || fail "the menu does not disconnect"
	kill -0 $thin_pid || fail "the client went away"
	stop $thin_pid
	stop $rdp_pid
	stop $api_pid
}

typed_reaches_desktop() {
	x mousemove 300 300 click 1
	x type --delay 30 "q"
	until_ok 2 grep -q q "$work/typed"
}

story_second_factor() {
	start_api gw --totp 246810
	client --user alice
	w=$(window) || fail "no window"
	x windowfocus --sync "$w"
	sign_in "correct horse"
	until_ok 10 log_has totp.required || fail "the server does not ask for a code"
	until_ok 10 bash -c "sleep 0.5" # the page is drawn
	x type --delay 20 "111111" # the code's field has the focus
	x key Return
	until_ok 10 log_has login.failed || fail "a wrong code is not refused"
	api_has me/desktops && fail "a wrong code lets in"
	sign_in "correct horse"
	until_ok 10 bash -c "[ \$(grep -c totp.required '$work/thin.log') = 2 ]" || fail "the code is not asked for again"
	until_ok 10 bash -c "sleep 0.5"
	x type --delay 20 "246810"
	x key Return
	until_ok 10 api_has 'GET /api/v1/me/desktops' || fail "password and code do not let in"
	grep -qE "111111|246810|correct horse" "$work/thin.log" && fail "a secret is in the log"
	stop $thin_pid
	stop $api_pid
}

story_cancel() {
	start_api gw --starting 1000
	PW="correct horse" client --user alice --password-stdin --desktop office
	w=$(window)
	until_ok 10 api_has 'POST /api/v1/tickets' || fail "no ticket was asked for"
	x windowfocus --sync "$w"
	before=$(grep -c me/desktops "$work/api.log")
	DISPLAY=$screen import -window root "$work/connecting.png"
	x key Escape
	until_ok 8 bash -c "[ \$(grep -c me/desktops '$work/api.log') -gt $before ]" || fail "cancel does not lead back"
	asked=$(grep -c tickets "$work/api.log")
	sleep 2.5 # two poll periods: nothing more may be asked
	[ "$(grep -c tickets "$work/api.log")" = "$asked" ] || fail "tickets are asked for after cancel"
	stop $thin_pid
	stop $api_pid
}

story_reconnect() {
	start_api gw
	start_rdp
	PW="correct horse" client --user alice --password-stdin --auto
	until_ok 20 log_has session.up || fail "no session"
	until_ok 10 typed_reaches_desktop || fail "no input"
	kill -9 $rdp_pid
	wait $rdp_pid 2>/dev/null
	until_ok 20 log_has 'session.end.*session.lost' || fail "the loss was not noticed"
	until_ok 5 bash -c "sleep 1"
	DISPLAY=$screen import -window root "$work/lost.png"
	start_rdp
	until_ok 20 log_has session.back || fail "not reconnected"
	: >"$work/typed"
	until_ok 10 typed_reaches_desktop || fail "no input after the reconnect"
	DISPLAY=$screen import -window root "$work/back.png"
	stop $thin_pid
	stop $rdp_pid
	stop $api_pid
}

story_first_use() {
	start_api gw
	DISPLAY=$screen "$thin" --server "https://127.0.0.1:$api" --user alice >"$work/thin.out" 2>"$work/thin.log" &
	thin_pid=$!
	pids+=($thin_pid)
	w=$(window) || fail "no window"
	x windowfocus --sync "$w"
	pin="$HOME/.config/pane/pins/127.0.0.1_$api.pem"
	sign_in "correct horse"
	until_ok 3 test -e "$pin" && fail "trusted without being asked"
	DISPLAY=$screen import -window root "$work/trust.png"
	x key alt+t
	until_ok 5 cmp "$pin" <(openssl x509 -in "$work/gw.crt") || fail "the certificate is not remembered"
	api_has login && fail "the password went to an untrusted server"
	sign_in "correct horse"
	until_ok 10 api_has me/desktops || fail "no sign-in after the certificate was confirmed"
	stop $thin_pid
	cp "$work/other.crt" "$pin" # the server's certificate has changed
	: >"$work/api.log"
	DISPLAY=$screen timeout 30 "$thin" --server "https://127.0.0.1:$api" --user alice --password-stdin --screenshot "$work/no.png" \
		>"$work/thin.out" 2>"$work/thin.log" <<<"correct horse"
	[ $? = 1 ] && log_has server.untrusted || fail "another certificate than the confirmed one was taken"
	api_has login && fail "the password went to an impostor"
	rm "$pin"
	stop $api_pid
}

start_x desk 1024x700x24
start_x screen 1280x800x24
make_pki
rdp=$(python3 -c 'import socket;s=socket.socket();s.bind(("127.0.0.1",0));print(s.getsockname()[1])')
: >"$work/typed"
DISPLAY=$desk xterm -geometry 170x50+0+0 -fa Monospace -e bash -c "ls -l --color /usr/bin | head -45; stty -icanon; cat >>'$work/typed'" &
pids+=($!)
for story in "${@:-screenshot screenshot_failures untrusted_is_refused first_use login_list_session second_factor cancel reconnect}"; do
	for s in $story; do
		story=$s
		story_$s
		echo "ok pane-thin story $s"
	done
done
