# For `source`: virtual environments and packages by uv; by pip where uv cannot be installed.
# They need $work, a folder.

python3 -m venv "$work/uv"
uv=$work/uv/bin/uv
"$work/uv/bin/python" -m pip install --quiet uv || echo "without uv: pip takes some minutes more"

environment() { # FOLDER
    if [ -x "$uv" ]; then "$uv" venv --quiet --python python3 "$1"; else python3 -m venv "$1"; fi
}

install() { # PYTHON PACKAGE ...
    local python=$1
    shift
    if [ -x "$uv" ]; then
        "$uv" pip install --quiet --python "$python" "$@"
    else
        "$python" -m pip install --quiet "$@"
    fi
}
