# What the tests need beside the build: packages, and flags of single programs.

PACKAGES_check += strace python3-pip python3-pexpect python3-dill libopenblas0-pthread perl sqlite3 pypy3 openssl util-linux

$(B)/tests/apps/openmp: private CFLAGS += -fopenmp
