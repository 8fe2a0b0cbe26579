# SPDX-License-Identifier: GPL-2.0
#
# The library as tests want it: on the device, on 32 bits, and without a device, as it is
# and under sanitizers. For Makefiles with O, CC, CC32 and CFLAGS, after their first rule.

library = $(MAKE) --no-print-directory -s -C ../../userspace library O=$(abspath $(1)) \
	CC="$(2)" CFLAGS="$(3)" LDFLAGS= WERROR=1 $(4)

ASAN := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
TSAN := -O1 -g -fsanitize=thread

# Its own makefile knows what is to be done.
$(O)/library/libgophership.a: libraries
	$(call library,$(@D),$(CC),$(CFLAGS))
$(O)/library32/libgophership.a: libraries
	$(call library,$(@D),$(CC32),$(CFLAGS))
$(O)/library-standin/libgophership.a: libraries
	$(call library,$(@D),$(CC),$(CFLAGS),STANDIN=1)
$(O)/library-asan/libgophership.a: libraries
	$(call library,$(@D),$(CC),$(ASAN),STANDIN=1)
$(O)/library-tsan/libgophership.a: libraries
	$(call library,$(@D),$(CC),$(TSAN),STANDIN=1)
libraries:
