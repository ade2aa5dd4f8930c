import Martlet
print("martlet")
