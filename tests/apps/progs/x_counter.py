"""A Tk window with a number that counts up, while the file named by the argument says "go", until it says "end".

Every number goes to the standard output, and "still N" when the screen shows N and nothing is under way.
"""

import sys
import tkinter

root = tkinter.Tk()
root.geometry("180x80+20+40")
label = tkinter.Label(root, font=("Helvetica", 30), text="0")
label.pack(expand=True)
count, state = 0, None


def tick():
    global count, state
    with open(sys.argv[1]) as f:
        wanted = f.read()
    if wanted == "go":
        count += 1
        label["text"] = count
        print(count, flush=True)
    elif wanted == "end":
        root.destroy()
        return
    elif wanted != state:
        root.update()
        root.winfo_pointerxy()  # waits for the server to have done all that was asked before
        print("still", count, flush=True)
    state = wanted
    root.after(20, tick)


root.after_idle(tick)
root.mainloop()
