#!/bin/sh
# Installs what "make" and "make man" have built, or removes it again:
#   install.sh install|uninstall DESTDIR PREFIX
# DESTDIR is for packagers: what is installed believes that it is in PREFIX.
set -eu

action=$1 destdir=$2 prefix=$3
case $prefix in
  /*) ;;
  *) echo "install: PREFIX must be an absolute path: $prefix" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
root=$destdir$prefix

case $action in
  install)
    install -d "$root/bin" "$root/lib" "$root/share/man/man1" "$root/share/bash-completion/completions" \
      "$root/share/zsh/site-functions" "$root/share/fish/vendor_completions.d"
    install -m 755 bin/ckpt "$root/bin/ckpt"
    ln -sf ckpt "$root/bin/myrestart"
    # The library looks beside itself and in ../bin before it goes by this path.
    bin/ckpt emit-agent "$root/lib/libckpt.so" --engine "$prefix/bin/ckpt"
    install -m 644 man/*.1 "$root/share/man/man1/"
    for shell in bash zsh fish; do
      case $shell in
        bash) to=share/bash-completion/completions/ckpt ;;
        zsh) to=share/zsh/site-functions/_ckpt ;;
        fish) to=share/fish/vendor_completions.d/ckpt.fish ;;
      esac
      bin/ckpt completion "$shell" >"$root/$to"
      chmod 644 "$root/$to"
    done
    echo "installed in $root: start programs with LD_PRELOAD=$prefix/lib/libckpt.so"
    ;;
  uninstall)
    rm -f "$root/bin/ckpt" "$root/bin/myrestart" "$root/lib/libckpt.so" \
      "$root/share/man/man1/ckpt.1" "$root"/share/man/man1/ckpt-*.1 "$root/share/man/man1/myrestart.1" \
      "$root/share/bash-completion/completions/ckpt" "$root/share/zsh/site-functions/_ckpt" \
      "$root/share/fish/vendor_completions.d/ckpt.fish"
    ;;
  *)
    echo "install: unknown action $action" >&2
    exit 2
    ;;
esac
