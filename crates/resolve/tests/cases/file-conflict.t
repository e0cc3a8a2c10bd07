# A conflict with a path excludes the package that has it.
repo system 0 testtags <inline>
#>=Pkg: b 1 1 noarch
#>=Fls: /usr/bin/x
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Con: /usr/bin/x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info package a-1-1.noarch conflicts with /usr/bin/x provided by b-1-1.noarch
