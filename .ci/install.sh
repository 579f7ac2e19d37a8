# For `source`: virtual environments and packages by uv, or by pip where uv does not work.
# They need $work, a folder.

python3 -m venv "$work/uv"
uv=$work/uv/bin/uv
"$work/uv/bin/python" -m pip install --quiet uv || echo "without uv: pip takes some minutes more"

environment() { # FOLDER
    "$uv" venv --quiet --python "$work/uv/bin/python" "$1" || python3 -m venv "$1"
}

install() { # PYTHON PACKAGE ...
    local python=$1
    shift
    "$uv" pip install --quiet --python "$python" "$@" \
        || "$work/uv/bin/python" -m pip --python "$python" install --quiet "$@"
}
