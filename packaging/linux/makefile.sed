# Kbuild of the module, and of its KUnit tests, as Makefile of a kernel's tree.
/^ifneq.*KERNELVERSION/,/^endif/d
s/^obj-m := gophership.o/obj-$(CONFIG_GOPHERSHIP) += gophership.o/
s/^obj-m := gophership_kunit.o/obj-$(CONFIG_GOPHERSHIP_KUNIT_TEST) += gophership_kunit.o/
s|^ccflags-y += -I$(GOPHERSHIP_DIR).*|ccflags-y += -I$(src)/..|
s|^ccflags-y += -I$(src) .*|ccflags-y += -I$(src)|
/^# dkms.conf is/,/^gophership-version/d
/^CFLAGS_gophership_main.o/,/)"'$/c\
CFLAGS_gophership_main.o += -DGOPHERSHIP_VERSION='"@VERSION@"'
/^\$(obj)\/pool\/layout.o/a\
\
obj-$(CONFIG_GOPHERSHIP_KUNIT_TEST) += tests/
