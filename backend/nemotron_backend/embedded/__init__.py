"""The engine that runs small networks on this machine, in a process of its own."""
