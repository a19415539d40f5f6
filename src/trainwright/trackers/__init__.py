"""Where events go: one file a tracker."""
