"""The queue in Postgres, for each caller what it needs of it; the only package that holds SQL.

One method for each SQL function of schema `freshness`, in a class for each kind of caller. All are
made on a `Calls`, and raise what that says.
"""
