# A thread that compresses what another one reads from a file, through queues.
import hashlib
import queue
import threading
import zlib

todo, ready = queue.Queue(4), queue.Queue(4)


def compress():
    while (block := todo.get()) is not None:
        ready.put(zlib.compress(block, 9))
    ready.put(None)


def read():
    with open("data", "rb") as file:
        while block := file.read(100_000):
            todo.put(block)
    todo.put(None)


workers = [threading.Thread(target=compress), threading.Thread(target=read)]
for worker in workers:
    worker.start()
digest = hashlib.sha256()
n = 0
while (block := ready.get()) is not None:
    digest.update(block)
    n += 1
    print(n, len(block), digest.hexdigest(), flush=True)
for worker in workers:
    worker.join()
