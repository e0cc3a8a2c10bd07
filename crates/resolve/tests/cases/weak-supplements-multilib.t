# What supplements a package is added in the system's own word size or not at all.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Pkg: b 1 1 x86_64
#>=Sup: a
#>=Pkg: b 1 1 i686
#>=Sup: a
#>=Pkg: c 1 1 x86_64
#>=Sup: a
#>=Req: missing
#>=Pkg: c 1 1 i686
#>=Sup: a
system x86_64 rpm system
poolflags implicitobsoleteusescolors
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install b-1-1.x86_64@available
