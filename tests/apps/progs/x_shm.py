"""A window of stripes that move, drawn through memory shared with the X server (MIT-SHM).

The second argument says what memory: "sysv" is a segment, "fd" a memfd that is passed to the server.
"shown N" goes to the standard output for each picture while the file named by the first argument says "go",
and "still N" when the screen shows it and nothing is under way.
"""

import ctypes
import mmap
import os
import sys
import time
from ctypes import byref, c_char_p, c_int, c_uint8, c_uint16, c_uint32, c_void_p

WIDTH, HEIGHT = 180, 60
SIZE = 4 * WIDTH * HEIGHT
X, Y = (20, 200) if sys.argv[2] == "sysv" else (20, 290)

xcb = ctypes.CDLL("libxcb.so.1")
shm = ctypes.CDLL("libxcb-shm.so.0")


class Cookie(ctypes.Structure):
    _fields_ = [("sequence", c_uint32)]


class Screen(ctypes.Structure):
    _fields_ = [("root", c_uint32), ("colormap", c_uint32), ("white", c_uint32), ("black", c_uint32),
                ("masks", c_uint32), ("sizes", c_uint16 * 4), ("maps", c_uint16 * 2), ("visual", c_uint32),
                ("backing", c_uint8), ("unders", c_uint8), ("depth", c_uint8), ("depths", c_uint8)]


class ScreenIterator(ctypes.Structure):
    _fields_ = [("data", ctypes.POINTER(Screen)), ("rem", c_int), ("index", c_int)]


xcb.xcb_connect.restype = xcb.xcb_get_setup.restype = c_void_p
xcb.xcb_setup_roots_iterator.restype = ScreenIterator
xcb.xcb_request_check.restype = c_void_p
for call in (xcb.xcb_create_window_checked, xcb.xcb_create_gc_checked, xcb.xcb_map_window_checked,
             shm.xcb_shm_attach_checked, shm.xcb_shm_attach_fd_checked, shm.xcb_shm_put_image_checked):
    call.restype = Cookie

server = c_void_p(xcb.xcb_connect(c_char_p(None), None))
screen = xcb.xcb_setup_roots_iterator(c_void_p(xcb.xcb_get_setup(server))).data[0]


def done(cookie):
    """Wait for the server to have done it."""
    if xcb.xcb_request_check(server, cookie):
        sys.exit("refused by the X server")


def attach(ident):
    """Memory that the server has too, as the object ident."""
    if sys.argv[2] == "fd":
        fd = os.memfd_create("picture")
        os.ftruncate(fd, SIZE)
        memory = mmap.mmap(fd, SIZE)
        done(shm.xcb_shm_attach_fd_checked(server, ident, fd, 0))  # closes it
        return memory
    libc = ctypes.CDLL(None)
    libc.shmat.restype = c_void_p
    segment = libc.shmget(0, ctypes.c_size_t(SIZE), 0o600)
    address = libc.shmat(segment, None, 0)
    done(shm.xcb_shm_attach_checked(server, ident, segment, 0))
    libc.shmctl(segment, 0, None)  # IPC_RMID: it lasts as long as somebody has it attached
    return (ctypes.c_char * SIZE).from_address(address)


window, context, picture = (xcb.xcb_generate_id(server) for _ in range(3))
done(xcb.xcb_create_window_checked(server, screen.depth, window, screen.root, X, Y, WIDTH, HEIGHT, 0, 1,
                                   screen.visual, 2 | 512, byref((c_uint32 * 2)(screen.black, 1))))
done(xcb.xcb_create_gc_checked(server, context, window, 0, None))
done(xcb.xcb_map_window_checked(server, window))
memory = attach(picture)
frame, state = 0, None
while True:
    with open(sys.argv[1]) as f:
        wanted = f.read()
    if wanted == "end":
        break
    if wanted == "go":
        frame += 1
        for y in range(HEIGHT):
            memory[4 * WIDTH * y:4 * WIDTH * (y + 1)] = bytes((4 * (y + frame) % 256, y, frame % 256, 0)) * WIDTH
        done(shm.xcb_shm_put_image_checked(server, window, context, WIDTH, HEIGHT, 0, 0, WIDTH, HEIGHT, 0, 0,
                                           screen.depth, 2, 0, picture, 0))
        print("shown", frame, flush=True)
    elif wanted != state:
        print("still", frame, flush=True)
    state = wanted
    time.sleep(0.03)
