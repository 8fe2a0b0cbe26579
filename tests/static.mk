# SPDX-License-Identifier: GPL-2.0
#
# Static programs for the guests, which use the device as tests/user does.
# A Makefile names PROGRAMS and includes this; their sources are NAME.c beside it.
#
#   make O=DIR      into DIR

CC ?= gcc
CFLAGS ?= -O2 -g
VPATH := ../user
ours = -std=gnu11 -Wall -Wextra -Wshadow -Werror -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-I../user -I../../uapi
shared := device memory

.PHONY: all
all: $(PROGRAMS:%=$(O)/%)

$(O)/objects/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ours) $(CFLAGS) -MMD -MP -c -o $@ $<

$(O)/%: $(O)/objects/%.o $(shared:%=$(O)/objects/%.o)
	$(CC) $(CFLAGS) -static -o $@ $^ $(libraries) -lpthread

.SECONDARY:
-include $(wildcard $(O)/objects/*.d)
