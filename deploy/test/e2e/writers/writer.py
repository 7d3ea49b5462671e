# Each kind of write again and again, all kinds at once, until the variable `end` says so. Prints the number of each.
import os, time, traceback
from concurrent.futures import ThreadPoolExecutor
import cronium

mine = "writers/" + os.environ["CRONIUM_JOB_ID"]


def artifact(number):
    with open("artifact", "wb") as file:
        file.write(b"%d\n" % number + bytes(1_000_000))
    cronium.artifact("artifact")


writes = {
    "count": lambda number: cronium.increment_variable(mine + "/count"),
    "compared": lambda number: cronium.set_variable(mine + "/compared", number, if_version=number - 1),
    "list": lambda number: cronium.append_variable(mine + "/list", str(number), " "),
    "output": lambda number: cronium.output({"last": number}),
    "artifact": artifact,
}


def again(name):
    number = 0
    while cronium.get_variable("end") != "yes":
        number += 1
        writes[name](number)
        print(name, number, flush=True)
        time.sleep(1)


def again_or_end(name):
    try:
        again(name)
    except BaseException:
        traceback.print_exc()
        # The first that fails ends all: an exit would wait for the other threads.
        os._exit(1)


with ThreadPoolExecutor(len(writes)) as pool:
    list(pool.map(again_or_end, writes))
