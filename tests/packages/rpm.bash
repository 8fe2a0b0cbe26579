# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# RPM packages, built by an ordinary user on this Debian system, where nothing installs them.
# Sourced by tests/packages/run.
# shellcheck disable=SC2154 # its variables

# of_rpms FORMAT: of each file in all of them
of_rpms()
{
	rpm -qp --qf "[$1\n]" "$rpms"/gophership-{dkms,libs,devel,tools}-*.rpm
}

# What make install brings, with what DKMS builds; and no directory that is others'.
rpms_have_what_is_installed()
{
	local reference=$work/reference
	local -a settings=(PREFIX=/usr LIBDIR=/usr/lib64 DESTDIR="$reference")
	mkdir "$reference" && own "$reference" &&
		make_in "$work/rpm" user && make_in "$work/rpm" install-user "${settings[@]}" &&
		as_user "$work/rpm/packaging/dkms-sources" "$reference/usr/src/gophership-$version" || return
	diff <(of_rpms '%{FILEMODES:perms} %{FILENAMES}' | sed -n 's/^[-l][^ ]* //p' |
		grep -v -e '^/usr/share/doc/' -e '^/usr/lib/.build-id/' | sed 's/\.gz$//' | sort) \
		<({ find "$reference" ! -type d -printf '/%P\n' &&
			printf '%s\n' /usr/lib/modules-load.d/gophership.conf /usr/lib/gophership/dkms-dependents; } | sort)
}

# Their own directories, so that none stays when they are removed, and none of others.
rpms_own_their_directories()
{
	of_rpms '%{FILEMODES:perms} %{FILENAMES}' >"$work/list" || return
	diff <(sed -n 's/^d[^ ]* //p' "$work/list" | grep -v -e /.build-id | sort) \
		<({ sed -n 's/^[-l][^ ]* //p' "$work/list" | grep -e '/[^/]*gophership[^/]*/' |
			sed ':a; s|/[^/]*$||; /gophership/{p; ba}; d' && echo; } | sort -u | sed '/^$/d')
}

# Each has its own files, and nobody else's user owns them.
rpms_share_nothing()
{
	local twice
	twice=$(of_rpms '%{FILEMODES:perms} %{FILENAMES}' | sed -n 's/^[-l][^ ]* //p' | sort | uniq -d)
	[[ -z $twice ]] || { echo "$twice"; return 1; }
	of_rpms '%{FILEUSERNAME} %{FILEGROUPNAME}' | sort -u | diff - <(echo root root)
}

rpms_ask_for_what_they_need()
{
	rpm -qp --requires "$rpms"/gophership-tools-*.rpm >"$work/requires" &&
		grep -q '^libncursesw\.so' "$work/requires" && grep -q '^libmicrohttpd\.so' "$work/requires" &&
		grep -q '^libsmartcols\.so' "$work/requires" &&
		rpm -qp --requires "$rpms"/gophership-dkms-*.rpm | grep '^dkms' &&
		rpm -qp --scripts "$rpms"/gophership-dkms-*.rpm >"$work/scripts" &&
		grep "dkms add -m gophership -v $version " "$work/scripts" &&
		grep "dkms install -m gophership -v $version -k " "$work/scripts" &&
		rpm -qp --requires "$rpms"/gophership-devel-*.rpm | grep "^gophership-libs.* = $version-"
}

part_rpm()
{
	tests/vm/deps rpm
	clone "$work/rpm"
	rpms=$work/rpm/build/rpm
	check 'make rpm, by an ordinary user' make_in "$work/rpm" rpm
	check '... changes nothing but build' unchanged "$work/rpm"
	check '... and they have what make install brings' rpms_have_what_is_installed
	check '... the directories that are theirs, and no others' rpms_own_their_directories
	check '... each file once, and they are root'\''s' rpms_share_nothing
	check '... and say what they need' rpms_ask_for_what_they_need
}
