"""slow_link.py NAME PID DELAY RATE: a cable between two networks of this machine, NAME here and
eth0 where process PID is. What goes in at one end comes out at the other DELAY seconds later, and
no more than RATE bytes a second; nothing is lost. tc's netem does the same in kernels that have it.
"""

import collections
import contextlib
import ctypes
import fcntl
import os
import select
import struct
import sys
import time

DEVICE = "/dev/net/tun"
SET = 0x400454CA  # TUNSETIFF
FRAMES = 0x1002  # IFF_TAP, IFF_NO_PI: whole frames and nothing else
NETWORK = 0x40000000  # CLONE_NEWNET
MOST = 65536  # bytes of a frame


def end(name):
    """A file: what a new interface of this network sends is read from it, and what is written
    to it the interface receives."""
    file = os.open(DEVICE, os.O_RDWR)
    fcntl.ioctl(file, SET, struct.pack("16sH", name.encode(), FRAMES))
    return file


def enter(pid):
    """The network of another process."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/proc/{pid}/ns/net", encoding="ascii") as network:
        if libc.setns(network.fileno(), NETWORK):
            raise OSError(ctypes.get_errno(), f"network of process {pid}")


class Way:
    """From one end to the other."""

    def __init__(self, source, target, delay, rate):
        self.source, self.target, self.delay, self.rate = source, target, delay, rate
        self.free = 0  # when the last frame has gone in
        self.under_way = collections.deque()

    def take(self):
        frame = os.read(self.source, MOST)
        self.free = max(self.free, time.monotonic()) + len(frame) / self.rate
        self.under_way.append((self.free + self.delay, frame))

    def give(self):
        """Those that have arrived; returns when the next one will."""
        while self.under_way and self.under_way[0][0] <= time.monotonic():
            with contextlib.suppress(OSError):  # an interface that is down receives nothing
                os.write(self.target, self.under_way[0][1])
            self.under_way.popleft()
        return self.under_way[0][0] if self.under_way else float("inf")


def main(name, pid, delay, rate):
    here = end(name)
    enter(pid)
    there = end("eth0")
    print("ready", flush=True)
    ways = [Way(*ends, float(delay), float(rate)) for ends in ((here, there), (there, here))]
    while True:
        due = min(way.give() for way in ways)
        wait = None if due == float("inf") else max(0, due - time.monotonic())
        ready, _, _ = select.select([here, there], [], [], wait)
        for way in ways:
            if way.source in ready:
                way.take()


if __name__ == "__main__":
    main(*sys.argv[1:])
