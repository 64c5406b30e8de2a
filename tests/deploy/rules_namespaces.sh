# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests of rules run in; to be sourced after verdict.sh.  Sets own, the command that makes
# namespaces of a test's own, and work, a folder that goes with the test; skips where none can be
# had.
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
for tool in nft ip nsenter unshare setpriv python3; do
  command -v "$tool" >/dev/null || skip "$tool is not installed"
done
[[ -e /proc/net/if_inet6 ]] || skip "this kernel has no IPv6"

# Namespaces of its own: of networks, and of processes, so that all that was started ends with it.
# setpriv: also when this shell is killed.
own=(setpriv --pdeathsig KILL -- unshare --net --mount --pid --fork --kill-child --mount-proc)
real_root=yes
if ((EUID != 0)); then
  # Mapped first: /proc/net belongs to the root of the moment at which its namespace was made.
  own=(unshare --user --map-root-user -- "${own[@]}")
  real_root=no
fi
if ! reason=$("${own[@]}" -- unshare --net -- true 2>&1); then
  skip "no private namespaces here: ${reason##*$'\n'}"
fi
# shellcheck disable=SC2016
if ! reason=$("${own[@]}" -- bash -c 'nft add table inet probe && nft add chain inet probe probe &&
    nft add rule inet probe probe log group 0 && : </proc/net/netfilter/nfnetlink_log' 2>&1); then
  skip "the kernel logs nothing to NFLOG in a private namespace: ${reason##*$'\n'}"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The sender gives up root, and its files are root's.
chmod 755 "$work"
# iptables-legacy wants a lock file, which an ordinary user has no right to at its usual place.
export XTABLES_LOCKFILE=$work/xtables.lock RULES_TEST_REAL_ROOT=$real_root
