"""The charts, as Helm renders and packages them: no cluster is needed."""
