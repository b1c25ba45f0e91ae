"""A plot that moves, while the file named by the argument says "go", until it says "end".

"frame N" goes to the standard output for each picture, and "still N" when the screen shows it and nothing
is under way.
"""

import sys

import matplotlib

matplotlib.use("TkAgg")
matplotlib.rcParams["toolbar"] = "None"

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

figure, axes = plt.subplots(figsize=(3, 2), dpi=80)
window = figure.canvas.manager.window
window.geometry("+240+40")
x = np.linspace(0, 2 * np.pi, 200)
line, = axes.plot(x, np.sin(x))
frame, state = 0, None


def tick():
    global frame, state
    with open(sys.argv[1]) as f:
        wanted = f.read()
    if wanted == "go":
        frame += 1
        line.set_ydata(np.sin(x + frame / 10))
        figure.canvas.draw()
        print("frame", frame, flush=True)
    elif wanted == "end":
        plt.close(figure)
        return
    elif wanted != state:
        window.update()
        window.winfo_pointerxy()
        print("still", frame, flush=True)
    state = wanted
    window.after(40, tick)


window.after(100, tick)
plt.show()
