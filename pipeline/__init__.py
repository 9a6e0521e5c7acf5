"""What the tasks of tasks.py and fabfile/ stand on; knows nothing of Invoke task objects."""
