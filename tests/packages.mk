# What the tests need beside the build: packages, and flags of single programs.

PACKAGES_check += python3-pytest-xdist gdb strace python3-pip python3-pexpect python3-dill libopenblas0-pthread perl sqlite3 pypy3 openssl util-linux bsdutils tmux vim-tiny python3-pyte \
	redis-server redis-tools nginx-light postgresql postgresql-contrib \
	xfsprogs mount tigervnc-standalone-server twm python3-tk python3-matplotlib
PACKAGES_check += python3-ipython python3-cloudpickle libfuse3-dev fuse3 make gcc python3-mpi4py openmpi-bin mpich
PACKAGES_check += python3-h5py python3-netcdf4 python3-zarr hdf5-tools
PACKAGES_check += slurmctld slurmd slurm-client munge iproute2 environment-modules shellcheck

$(B)/tests/apps/openmp: private CFLAGS += -fopenmp
