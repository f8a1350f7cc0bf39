"""Who chooses the learning rate: one controller per file, all behind two methods."""

from at2.control.controllers.protocol import Controller
from at2.control.controllers.registry import CONTROLLERS, controller_names, make_controller

__all__ = ["CONTROLLERS", "Controller", "controller_names", "make_controller"]
