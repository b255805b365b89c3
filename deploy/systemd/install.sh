#!/bin/sh
# `make install-systemd`: a virtual environment of its own, the units, and the folder of
# the settings. May be repeated: it brings the version of the wheel, and keeps settings.
#   WHEEL, CONSTRAINTS   what is installed, and at which versions
#   PREFIX               /usr/local; /usr for a package of a distribution
#   DESTDIR              stage everything below this folder
#   PYTHON               makes the environment
set -eu

: "${WHEEL:?}" "${CONSTRAINTS:?}" "${PREFIX:=/usr/local}" "${PYTHON:=python3}"
: "${DESTDIR:=}"
here=$(dirname "$0")
home=$PREFIX/lib/ghl-mailjet
units=$PREFIX/lib/systemd/system
settings=/etc/ghl-mailjet

"$PYTHON" -m venv "$DESTDIR$home"
"$DESTDIR$home/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint "$CONSTRAINTS" "$WHEEL"
# The same version may have other contents.
"$DESTDIR$home/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-deps --force-reinstall "$WHEEL"
if [ -n "$DESTDIR" ]; then
    # Programs name the interpreter by where it will be, not by where it was staged.
    grep -lI --recursive --fixed-strings "$DESTDIR" "$DESTDIR$home/bin" |
        xargs --no-run-if-empty sed -i "s|$DESTDIR||g"
fi

case $(readlink -f "$DESTDIR$home/bin/python") in
    /root/* | /home/*)
        echo "The services cannot reach this interpreter: they see no home folder." >&2
        echo "Make a new environment with another: make install-systemd PYTHON=..." >&2
        ;;
esac

install -d "$DESTDIR$units" "$DESTDIR$PREFIX/bin" "$DESTDIR$PREFIX/share/doc/ghl-mailjet"
for unit in "$here"/ghl-mailjet*; do
    sed "s|/usr/local/|$PREFIX/|g" "$unit" > "$DESTDIR$units/$(basename "$unit")"
done
ln -sf "$home/bin/ghl-mailjet" "$DESTDIR$PREFIX/bin/ghl-mailjet"
install -m 644 "$here/../RUNBOOK.md" "$DESTDIR$PREFIX/share/doc/ghl-mailjet/RUNBOOK.md"
install -d "$DESTDIR$settings"
if [ ! -e "$DESTDIR$settings/.env" ]; then
    install -m 600 "$here/../../.env.example" "$DESTDIR$settings/.env"
fi

cat <<EOT
Installed. Next, as root:
  cd $settings, and fill in .env (or: ghl-mailjet init)
  ghl-mailjet check && ghl-mailjet setup
  systemctl daemon-reload
  systemctl enable --now ghl-mailjet.target
After an upgrade, instead: systemctl daemon-reload, and the rolling restart of
  $PREFIX/share/doc/ghl-mailjet/RUNBOOK.md
EOT
