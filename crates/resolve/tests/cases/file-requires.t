# A path is satisfied by the package that has the file.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: /usr/bin/sh
#>=Pkg: b 1 1 noarch
#>=Fls: /usr/bin/sh
#>=Pkg: c 1 1 noarch
#>=Fls: /usr/bin/shell
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install b-1-1.noarch@available
