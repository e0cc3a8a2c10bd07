# A path is satisfied by a file of the base.
repo system 0 testtags <inline>
#>=Pkg: b 1 1 noarch
#>=Fls: /usr/bin/sh
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: /usr/bin/sh
#>=Pkg: c 1 1 noarch
#>=Fls: /usr/bin/sh
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
